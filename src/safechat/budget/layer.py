"""Budgeted: the layer that keeps calls to a budget.

The most that a request can cost is reserved before it is sent, and what it has cost is settled after it, so
that a burst of calls cannot pass the budget together. Not here: how much that is (budget.py), who else
spends (shared.py).
"""

from __future__ import annotations

from safechat.budget.book import AnyBook
from safechat.budget.budget import Budget
from safechat.errors import ChatError
from safechat.log.call_record import call_record
from safechat.messages import ChatReply, ChatRequest, Handler
from safechat.runtime import clock

COST, SPENT, PER_DAY = "cost_usd", "budget_spent_usd", "budget_usd_per_day"  # fields of `chat.call`


class Budgeted:
    """The layer. `base_url` is that of the API that the next handler asks; without a `book`, the budget's own
    is kept."""

    def __init__(
        self, next: Handler, budget: Budget, base_url: str | None = None, book: AnyBook | None = None
    ) -> None:
        self._next = next
        self._budget = budget
        self._base_url = base_url
        self._book = book or budget.book

    async def __call__(self, request: ChatRequest) -> ChatReply:
        """The next handler's reply; what it has cost is in the log's `chat.call`.

        Raises BudgetExceeded, PriceUnknown, and the next handler's errors.
        """
        if request.endpoint.startswith("GET "):
            return await self._next(request)
        budget = self._budget
        with call_record() as record:
            most = budget.most(request, self._base_url)
            by_call = record.notes.get(COST, 0.0)
            entry = await budget.reserve(request, most, by_call, self._book)
            cost = most  # what was sent may be billed, whatever became of it
            try:
                reply = await self._next(request)
                cost = budget.cost_of_reply(request, reply, most)
            except ChatError as error:
                cost = budget.cost_of_error(request, error, most)
                raise
            finally:
                if record.waiting:  # cut off while it waited for a key
                    cost = 0.0
                entry.settle(cost)
                record.notes[COST] = by_call + cost
                if budget.usd_per_day is not None:
                    spent = self._book.spent(clock.today())
                    record.notes |= {SPENT: spent, PER_DAY: budget.usd_per_day}
            return reply
