"""Budget: US dollars that a day, or a call, may cost.

Not here: reserving and settling (layer.py), what is spent (book.py, shared.py), prices (prices.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from datetime import time as time_of_day
from types import MappingProxyType

from safechat.budget.book import AnyBook, Book, Entry
from safechat.budget.prices import Prices
from safechat.checks import check_count, check_rate
from safechat.errors import BudgetExceeded, ChatError
from safechat.limits.tokens import answer_budget, answers_of, most_prompt_tokens
from safechat.messages import ChatReply, ChatRequest
from safechat.runtime import clock
from safechat.usage import Usage

_EMBEDDINGS = "POST /embeddings"


@dataclass(frozen=True, slots=True)
class Budget:
    """At most so many US dollars. Days begin at midnight UTC. One budget may serve many wrappers.

    `usd_per_call` is for a call with all its attempts. A request that does not limit its answer
    (`max_completion_tokens`) is reserved with an answer of `answer_tokens`. Prices are those of the extra
    `[cost]`; `prices` go before them: for a model, US dollars for a million tokens of the prompt, and of the
    answer. A model without a price is refused (PriceUnknown), and a call that does not fit is, too
    (BudgetExceeded), before anything is sent. What was sent and not answered counts as if it had cost all.
    Where the wrapper's limits are shared (RedisLimits), the day's budget is that of all who share them, and
    is remembered there. Else it is that of this process: one that starts again has spent nothing yet.
    """

    usd_per_day: float | None = None
    usd_per_call: float | None = None
    prices: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    answer_tokens: int = 16_384
    book: Book = field(default_factory=Book, init=False, repr=False, compare=False)

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
        """US dollars that this process has spent today, with what is reserved for calls under way."""
        return self.book.spent(clock.today())

    def most(self, request: ChatRequest, base_url: str | None) -> float:
        """The most that the request can cost. Raises PriceUnknown."""
        answer = answer_budget(request) or self.answer_tokens
        if request.endpoint == _EMBEDDINGS:
            answer = 0
        usage = Usage(most_prompt_tokens(request), answer * answers_of(request))
        return Prices(self.prices).most(request.model, base_url, usage)

    def cost_of_reply(self, request: ChatRequest, reply: ChatReply, most: float) -> float:
        """What the reply has cost; the most where the API counted no tokens."""
        usd = Prices(self.prices).of_reply(request, reply)
        return most if usd is None else usd

    def cost_of_error(self, request: ChatRequest, error: ChatError, most: float) -> float:
        """What a request that failed has cost, as far as one can know."""
        usd = Prices(self.prices).of_error(request, error)
        return most if usd is None else usd

    async def reserve(self, request: ChatRequest, most: float, by_call: float, book: AnyBook) -> Entry:
        """Put `most` into the book. `by_call` is what the call's requests so far have cost.

        Raises BudgetExceeded where that is more than there is.
        """
        could = f"{request.model}: this request could cost up to {dollars(most)} and was not sent"
        if self.usd_per_call is not None and by_call + most > self.usd_per_call:
            so_far = f", of which its requests so far have cost {dollars(by_call)}" if by_call else ""
            raise BudgetExceeded(
                f"{could}: a call may cost {dollars(self.usd_per_call)}{so_far}; max_completion_tokens "
                "limits what an answer can cost",
                model=request.model,
                attempts=0,
            )
        today = clock.today()
        entry = await book.enter(today, most, self.usd_per_day)
        if entry is None:
            midnight = datetime.combine(today + timedelta(1), time_of_day(), UTC)
            limit, spent = dollars(self.usd_per_day or 0), dollars(book.spent(today))
            raise BudgetExceeded(
                f"{could}: of the day's {limit} {spent} are spent, with what is reserved for calls under way "
                "(max_completion_tokens limits what an answer can cost); the budget "
                f"resets at {midnight:%Y-%m-%d %H:%M} UTC",
                model=request.model,
                attempts=0,
                retry_after=max(0.0, (midnight - datetime.now(UTC)).total_seconds()),
            )
        return entry


def check_budget(budget: object) -> Budget:
    """`budget`, if it is one."""
    if not isinstance(budget, Budget):
        raise TypeError(f"budget must be a Budget, such as Budget(usd_per_day=5), not {budget!r}")
    return budget


def dollars(usd: float) -> str:
    """As people read them; a small sum with its fractions of a cent."""
    return f"${usd:.2f}" if usd >= 1 else f"${usd:.4f}"
