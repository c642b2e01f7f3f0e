"""CircuitBreaker: remembers that a target fails, so that no call waits for it in vain.

Source: https://martinfowler.com/bliki/CircuitBreaker.html
Not here: what counts as a failure of the target (guard.py), asking the next one (fallback.py).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, Self

from safechat.checks import check_count, check_seconds

State = Literal["closed", "open", "half_open"]
CallOutcome = Literal["answered", "failed", "unknown"]


@dataclass(frozen=True, slots=True)
class BreakerPolicy:
    """`failures` calls in a row that fail open the circuit for `cooldown` seconds.

    A call counts once, however many requests it made. Failures are forgotten when `window` seconds go by
    between one and the beginning of the next call that fails.
    """

    failures: int = 5
    window: float = 30.0
    cooldown: float = 15.0

    def __post_init__(self) -> None:
        check_count("failures", self.failures)
        check_seconds("window", self.window, finite=True)
        check_seconds("cooldown", self.cooldown, finite=True)


class Circuit:
    """What a breaker remembers of one target. `now` is in seconds."""

    def __init__(self, policy: BreakerPolicy | None = None) -> None:
        self.policy = policy or BreakerPolicy()
        self.failures = 0  # calls in a row that failed
        self.failed_at = -math.inf  # when the last of them ended
        self.open_until: float | None = None  # the end of the cooldown; None while it is closed
        self.probe: Permit | None = None  # the probe that is under way

    def state(self, now: float) -> State:
        if self.open_until is None:
            return "closed"
        return "open" if now < self.open_until else "half_open"

    def count_failure(self, permit: Permit, now: float) -> int:
        """The calls in a row that have failed, together with the permit's, which has failed now.

        Those before it are forgotten where more than `policy.window` seconds went by between the last of them
        and this call's beginning.
        """
        if permit.began - self.failed_at > self.policy.window:
            self.failures = 0
        self.failures += 1
        self.failed_at = now
        return self.failures


class CircuitBreaker(Circuit):
    """Remembers how the calls to one target ended, and says whether the next may go.

    Closed until `policy.failures` calls in a row have failed. Then open: none may go for
    `policy.cooldown` seconds. Then half-open: one may go, the probe. Its answer closes the
    circuit; its failure opens it again. `now` is in seconds.
    """

    def permit(self, now: float) -> Permit | None:
        """What a call needs to go, `Permit(self, now)`; None where it may not go."""
        if self.state(now) == "open" or self.probe is not None:
            return None
        permit = Permit(self, now)
        self.probe = permit if self.open_until is not None else None
        return permit

    def take_back(self, permit: Permit, outcome: CallOutcome, now: float) -> None:
        """A call that counts has ended: the probe, or any while the circuit is closed."""
        is_probe = permit is self.probe
        self.probe = None
        if outcome == "answered":
            self.failures, self.open_until = 0, None
        elif outcome == "failed":
            failures = self.count_failure(permit, now)
            if is_probe or failures >= self.policy.failures:
                self.open_until = now + self.policy.cooldown


class Permit:
    """One call that the breaker has let through. In a `with` block, so that a probe always comes back.

    Where the block says nothing the outcome is unknown: the call was cancelled, or its request was wrong.
    """

    __slots__ = ("_breaker", "answering", "began")

    def __init__(self, breaker: CircuitBreaker, began: float) -> None:
        self._breaker = breaker
        self.began = began
        self.answering = False

    def begins_to_answer(self, now: float) -> None:
        """The first piece of a stream is here. That is enough for a probe; other calls count at their end."""
        self.answering = True
        if self._breaker.probe is self:
            self.answered(now)

    def answered(self, now: float) -> None:
        self._end("answered", now)

    def failed(self, now: float) -> None:
        """The call failed in a way that says that the target is sick."""
        self._end("failed", now)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._end("unknown", math.nan)

    def _end(self, outcome: CallOutcome, now: float) -> None:
        """While the circuit is not closed, the probe alone counts: other calls began before it opened."""
        if self._breaker.open_until is None or self._breaker.probe is self:
            self._breaker.take_back(self, outcome, now)


def refuses_for(breaker: CircuitBreaker, now: float) -> float:
    """Seconds until a call may go again: above 0 whenever one is refused.

    While a probe is under way, and nobody knows for how long, it is a whole cooldown.
    """
    if breaker.open_until is not None and now < breaker.open_until:
        return breaker.open_until - now
    return breaker.policy.cooldown if breaker.probe is not None else 0.0
