"""Budget: US dollars that a day, or a call, may cost; and the layer that keeps to it.

The most that a request can cost is reserved before it is sent, and what it has cost is settled after it, so
that a burst of calls cannot pass the budget together. Not here: prices (cost.py), the layers' order
(layers.py).
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from datetime import time as time_of_day
from types import MappingProxyType

from safechat.checks import check_count, check_rate
from safechat.cost import cost_usd
from safechat.errors import BudgetExceeded, ChatError, PriceUnknown
from safechat.limits.tokens import answer_budget, billed_tokens, most_prompt_tokens
from safechat.log.call_record import call_record
from safechat.log.events import event
from safechat.messages import ChatReply, ChatRequest, Handler
from safechat.runtime import clock
from safechat.usage import Usage

COST, SPENT, PER_DAY = "cost_usd", "budget_spent_usd", "budget_usd_per_day"  # fields of `chat.call`
_NEARLY = 0.8  # of a day's budget; from there on it is logged, once a day
_EMBEDDINGS = "POST /embeddings"
_PER_MILLION = 1e-6


@dataclass(frozen=True, slots=True)
class Budget:
    """At most so many US dollars. Days begin at midnight UTC. One budget may serve many wrappers.

    `usd_per_call` is for a call with all its attempts. A request that does not limit its answer
    (`max_completion_tokens`) is reserved with an answer of `answer_tokens`. Prices are those of the extra
    `[cost]`; `prices` go before them: for a model, US dollars for a million tokens of the prompt, and of the
    answer. A model without a price is refused (PriceUnknown), and a call that does not fit is, too
    (BudgetExceeded), before anything is sent. What was sent and not answered counts as if it had cost all.
    """

    usd_per_day: float | None = None
    usd_per_call: float | None = None
    prices: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    answer_tokens: int = 16_384
    _book: Book = field(default_factory=lambda: Book(), init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.usd_per_day is None and self.usd_per_call is None:
            raise ValueError("a budget needs usd_per_day or usd_per_call")
        for name in ("usd_per_day", "usd_per_call"):
            if (usd := getattr(self, name)) is not None:
                check_rate(name, usd)
        check_count("answer_tokens", self.answer_tokens)
        for model, pair in self.prices.items():
            if not (isinstance(pair, tuple) and len(pair) == 2 and all(usd >= 0 for usd in pair)):
                raise ValueError(
                    f"the price of {model} must be a pair (prompt, answer), in US dollars for a million "
                    f"tokens, not {pair!r}"
                )
        object.__setattr__(self, "prices", MappingProxyType(dict(self.prices)))

    @property
    def spent_usd(self) -> float:
        """US dollars of today, with what is reserved for calls under way."""
        return self._book.spent(clock.today())

    def most(self, request: ChatRequest, base_url: str | None) -> float:
        """The most that the request can cost. Raises PriceUnknown."""
        answer = answer_budget(request) or self.answer_tokens
        if request.endpoint == _EMBEDDINGS:
            answer = 0
        several = request.params.get("n")
        usage = Usage(most_prompt_tokens(request), answer * (several if isinstance(several, int) else 1))
        usd = self._price(request.model, request.model, base_url, usage)
        if usd is None:
            raise PriceUnknown(
                f"{request.model}: there is no price for this model, so it cannot be kept to a budget: give "
                f"one, Budget(prices={{{request.model!r}: (prompt, answer)}}), in US dollars for a million "
                "tokens, or install safechat[cost]",
                model=request.model,
                attempts=0,
            )
        return usd

    def cost_of_reply(self, request: ChatRequest, reply: ChatReply, most: float) -> float:
        """What the reply has cost; the most where the API counted no tokens."""
        return self._cost(request, reply.model, reply.base_url, reply.usage, most)

    def cost_of_error(self, request: ChatRequest, error: ChatError, most: float) -> float:
        """What a request that failed has cost, as far as one can know."""
        if billed_tokens(error, 1) == 0:
            return 0.0
        return self._cost(request, error.model or request.model, error.base_url, error.usage, most)

    def reserve(self, request: ChatRequest, most: float, spent_by_call: float) -> Entry:
        """Put `most` into the book. Raises BudgetExceeded where that is more than there is."""
        could = f"{request.model}: this request could cost up to {_dollars(most)} and was not sent"
        if self.usd_per_call is not None and spent_by_call + most > self.usd_per_call:
            spent = f", of which its requests so far have cost {_dollars(spent_by_call)}"
            raise BudgetExceeded(
                f"{could}: a call may cost {_dollars(self.usd_per_call)}{spent if spent_by_call else ''}; "
                "max_completion_tokens limits what an answer can cost",
                model=request.model,
                attempts=0,
            )
        today = clock.today()
        entry = self._book.enter(today, most, self.usd_per_day)
        if entry is None:
            spent, limit = _dollars(self._book.spent(today)), _dollars(self.usd_per_day or 0)
            raise BudgetExceeded(
                f"{could}: of the day's {limit} {spent} are spent, calls under way included; the budget "
                f"resets at {_midnight_after(today)}",
                model=request.model,
                attempts=0,
            )
        return entry

    def _cost(
        self, request: ChatRequest, model: str, base_url: str | None, usage: Usage | None, most: float
    ) -> float:
        usd = None if usage is None else self._price(request.model, model, base_url, usage)
        return most if usd is None else usd

    def _price(self, asked: str, answered: str, base_url: str | None, usage: Usage) -> float | None:
        """By the model that was asked for where its price was given, else by the one that answered."""
        if (pair := self.prices.get(asked)) is not None:
            return _PER_MILLION * (pair[0] * usage.prompt_tokens + pair[1] * usage.completion_tokens)
        for model in (answered, asked):
            usd = cost_usd(
                model,
                base_url,
                prompt_tokens=usage.prompt_tokens,
                completion_tokens=usage.completion_tokens,
                cached_tokens=usage.cached_tokens,
            )
            if usd is not None:
                return usd
        return None


def check_budget(budget: object) -> Budget:
    """`budget`, if it is one."""
    if not isinstance(budget, Budget):
        raise TypeError(f"budget must be a Budget, such as Budget(usd_per_day=5), not {budget!r}")
    return budget


class Budgeted:
    """The layer. `base_url` is that of the API that the next handler asks."""

    def __init__(self, next: Handler, budget: Budget, base_url: str | None = None) -> None:
        self._next = next
        self._budget = budget
        self._base_url = base_url

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
            entry = budget.reserve(request, most, by_call)
            cost = most  # what was sent may be billed, whatever became of it
            try:
                reply = await self._next(request)
                cost = budget.cost_of_reply(request, reply, most)
            except ChatError as error:
                cost = budget.cost_of_error(request, error, most)
                raise
            finally:
                entry.settle(cost)
                record.notes[COST] = by_call + cost
                if budget.usd_per_day is not None:
                    record.notes |= {SPENT: budget.spent_usd, PER_DAY: budget.usd_per_day}
            return reply


class Book:
    """What is spent, by day. For any number of threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._day = date.min
        self._spent = 0.0
        self._has_warned = False

    def spent(self, today: date) -> float:
        """US dollars of that day, with what is reserved."""
        with self._lock:
            return self._spent if self._day == today else 0.0

    def enter(self, today: date, usd: float, limit: float | None) -> Entry | None:
        """Reserve so much; None, and nothing is reserved, where it is more than the limit has left."""
        with self._lock:
            if self._day != today:
                self._day, self._spent, self._has_warned = today, 0.0, False
            if limit is not None and self._spent + usd > limit:
                return None
            self._spent += usd
        return Entry(self, today, usd, limit)

    def settle(self, entry: Entry, usd: float) -> None:
        """The entry has cost `usd` in the end. One of another day changes nothing today."""
        with self._lock:
            if self._day != entry.day:
                return
            self._spent += usd - entry.usd
            spent, limit = self._spent, entry.limit
            if limit is None or self._has_warned or spent < _NEARLY * limit:
                return
            self._has_warned = True
        event(logging.WARNING, "budget.nearly_spent", spent_usd=round(spent, 4), usd_per_day=limit)


@dataclass(frozen=True, slots=True)
class Entry:
    """What is reserved in a book, for a day."""

    book: Book
    day: date
    usd: float
    limit: float | None

    def settle(self, usd: float) -> None:
        """It has cost `usd` in the end."""
        self.book.settle(self, usd)


def _dollars(usd: float) -> str:
    return f"${usd:.2f}" if usd >= 1 else f"${usd:.4f}"


def _midnight_after(day: date) -> str:
    return f"{datetime.combine(day + timedelta(1), time_of_day(), UTC):%Y-%m-%d %H:%M} UTC"
