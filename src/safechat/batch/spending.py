"""What a batch may cost: the most that a request can cost is reserved before it, and what it did cost is
settled after it, as with a Budget (budget/account.py).

Without a limit nothing is reserved, and the sum is kept all the same. For one event loop. Not here: prices
(budget/prices.py), how many tokens a prompt has (limits/tokens.py).
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from safechat.batch.estimate import tokens_at_most
from safechat.budget.budget import dollars
from safechat.budget.prices import Prices
from safechat.errors import BudgetExceeded, ChatError
from safechat.limits.tokens import TokenEstimator
from safechat.messages import ChatReply, ChatRequest
from safechat.usage import Usage

_FIRST_LONGEST = 1000  # tokens of an answer, until one has come
_CODE = "max_usd"  # of the errors of this limit


class Spending:
    """US dollars: `spent` so far, and the `limit` that they stay below; None is no limit."""

    def __init__(self, limit: float | None, spent: float = 0.0) -> None:
        self.limit = limit
        self.spent = spent
        self.longest = _FIRST_LONGEST  # tokens of an answer
        self._reserved = 0.0
        self._under_way = 0
        self._settled = asyncio.Event()

    def reserve(self, usd: float) -> bool:
        """Whether there is room for so much; then it is reserved."""
        if self.limit is not None and self.spent + self._reserved + usd > self.limit:
            return False
        self._reserved += usd
        return True

    async def reserve_soon(self, usd: float) -> bool:
        """The same; where there is no room it waits for calls under way, which may cost less than was
        reserved for them."""
        while not self.reserve(usd):
            if not await self.another_ended():
                return False
        return True

    def settle(self, reserved: float, used: float) -> None:
        """Of what was reserved so much was used."""
        self._reserved -= reserved
        self.spent += used

    @contextmanager
    def under_way(self) -> Iterator[None]:
        """A call, within whose block nobody waits here."""
        self._under_way += 1
        try:
            yield
        finally:
            self._under_way -= 1
            self._settled.set()

    async def another_ended(self) -> bool:
        """Wait until a call has ended. False where none is under way."""
        if not self._under_way:
            return False
        self._settled.clear()
        await self._settled.wait()
        return True


class RowAccount:
    """The account of one row: all its requests are paid by it, those that fail too.

    `usd` is what they have cost; None where that is not known. Under a limit a request that was sent and not
    answered counts as the most that it could cost. `tokens` are those that the API counted.
    """

    def __init__(self, spending: Spending, prices: Prices, estimator: TokenEstimator) -> None:
        self.usd: float | None = None
        self.tokens = 0
        self._spending = spending
        self._prices = prices
        self._estimator = estimator
        self._ahead = 0.0  # reserved for the request that comes first
        self._most: dict[tuple[str, str | None], float] = {}

    async def reserve_ahead(self, request: ChatRequest, base_url: str | None) -> bool:
        """Reserve what the row's first request can cost, where need be after a wait. False, and nothing is
        reserved, where that is more than will be left."""
        most = self._at_most(request, base_url)
        if not await self._spending.reserve_soon(most):
            return False
        self._ahead = most
        return True

    @contextmanager
    def under_way(self) -> Iterator[None]:
        """A call of the row."""
        with self._spending.under_way():
            try:
                yield
            finally:
                self.release()

    def release(self) -> None:
        """Give back what is reserved ahead, and not needed."""
        self._spending.settle(self._ahead, 0.0)
        self._ahead = 0.0

    async def reserve(self, request: ChatRequest, base_url: str | None) -> float:
        """As of any account."""
        self.release()
        most = self._at_most(request, base_url)
        if not self._spending.reserve(most):
            raise BudgetExceeded(
                f"{request.model}: this request could cost up to {dollars(most)} and was not sent: that is "
                f"more than is left of the batch's {dollars(self._spending.limit or 0.0)}, calls under way "
                "included",
                code=_CODE,
                model=request.model,
                attempts=0,
            )
        return most

    def settle(self, reserved: float, request: ChatRequest, outcome: ChatReply | ChatError | None) -> None:
        """As of any account."""
        usd = self._cost_of(request, outcome)
        if usd is None and self._spending.limit is not None:
            usd = reserved
        self._spending.settle(reserved, usd or 0.0)
        if usd or (usd is not None and isinstance(outcome, ChatReply)):  # a refused request says no price
            self.usd = (self.usd or 0.0) + usd
        if outcome is not None and (usage := outcome.usage) is not None:
            self.tokens += usage.total_tokens
            self._spending.longest = max(self._spending.longest, usage.completion_tokens)

    def give_back(self, reserved: float) -> None:
        """As of any account."""
        self._spending.settle(reserved, 0.0)

    def _cost_of(self, request: ChatRequest, outcome: ChatReply | ChatError | None) -> float | None:
        match outcome:
            case ChatReply():
                return self._prices.of_reply(request, outcome)
            case ChatError():
                return self._prices.of_error(request, outcome)
            case None:
                return None

    def _at_most(self, request: ChatRequest, base_url: str | None) -> float:
        """What the request can cost: an answer without `max_completion_tokens` is thought to be as long as
        the longest so far. It is counted once for a model: the row's requests are all alike."""
        if self._spending.limit is None:
            return 0.0
        target = (request.model, base_url)
        if target not in self._most:
            prompt, answer = tokens_at_most(request, self._estimator)
            usage = Usage(prompt, self._spending.longest if answer is None else answer)
            self._most[target] = self._prices.most(request.model, base_url, usage)
        return self._most[target]


def is_of_the_batch(error: ChatError) -> bool:
    """Whether it is the batch's limit that has no room, and not a Budget."""
    return isinstance(error, BudgetExceeded) and error.code == _CODE
