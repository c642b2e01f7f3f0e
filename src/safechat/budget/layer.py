"""Budgeted and Charged: the layers that keep requests to what may be spent.

The most that a request can cost is reserved before it is sent, and what it has cost is settled after it, so
that a burst of calls cannot pass the budget together. Not here: how that goes (account.py), how much it is
(budget.py), who else spends (shared.py).
"""

from __future__ import annotations

from safechat.budget.account import account_here, charge
from safechat.budget.book import AnyBook, Entry
from safechat.budget.budget import Budget
from safechat.errors import ChatError
from safechat.log.call_record import call_record
from safechat.messages import ChatReply, ChatRequest, Handler
from safechat.runtime import clock

COST, SPENT, PER_DAY = "cost_usd", "budget_spent_usd", "budget_usd_per_day"  # fields of `chat.call`


class Budgeted:
    """The layer of a wrapper's budget, and the account that it keeps. `base_url` is that of the API that the
    next handler asks; without a `book`, the budget's own is kept."""

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
        return await charge(self, self._next, request, self._base_url)

    async def reserve(self, request: ChatRequest, base_url: str | None) -> Entry:
        """As of any account."""
        most = self._budget.most(request, base_url)
        with call_record() as record:
            return await self._budget.reserve(request, most, record.notes.get(COST, 0.0), self._book)

    def settle(self, reserved: Entry, request: ChatRequest, outcome: ChatReply | ChatError | None) -> None:
        """As of any account. What was sent may be billed, whatever became of it."""
        most = reserved.usd
        match outcome:
            case ChatReply():
                self._spend(reserved, self._budget.cost_of_reply(request, outcome, most))
            case ChatError():
                self._spend(reserved, self._budget.cost_of_error(request, outcome, most))
            case None:
                self._spend(reserved, most)

    def give_back(self, reserved: Entry) -> None:
        """As of any account."""
        self._spend(reserved, 0.0)

    def _spend(self, reserved: Entry, usd: float) -> None:
        reserved.settle(usd)
        with call_record() as record:
            record.notes[COST] = record.notes.get(COST, 0.0) + usd
            if self._budget.usd_per_day is not None:
                record.notes |= {
                    SPENT: self._book.spent(clock.today()),
                    PER_DAY: self._budget.usd_per_day,
                }


class Charged:
    """The layer for those who count what their calls cost: requests are paid by the account of `charged_to`,
    where there is one."""

    def __init__(self, next: Handler, base_url: str | None = None) -> None:
        self._next = next
        self._base_url = base_url

    async def __call__(self, request: ChatRequest) -> ChatReply:
        """The next handler's reply. Raises BudgetExceeded, PriceUnknown, and the next handler's errors."""
        account = account_here()
        if account is None:
            return await self._next(request)
        return await charge(account, self._next, request, self._base_url)
