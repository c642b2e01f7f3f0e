"""CircuitBreaker: remembers that a target fails, so that no call waits for it in vain.

Pure decisions about `now`. Not here: asking the target, and the next one (fallback.py).
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Literal, Self

from safechat.checks import check_count, check_seconds

State = Literal["closed", "open", "half_open"]
Outcome = Literal["answered", "failed", "unknown"]


@dataclass(frozen=True, slots=True)
class BreakerPolicy:
    """`failures` requests in a row, within `window` seconds, open the circuit for `cooldown` seconds."""

    failures: int = 5
    window: float = 30.0
    cooldown: float = 15.0

    def __post_init__(self) -> None:
        check_count("failures", self.failures)
        check_seconds("window", self.window, finite=True)
        check_seconds("cooldown", self.cooldown, finite=True)


class CircuitBreaker:
    """Closed, open or half-open: decisions about `now`, in seconds of any clock.

    Open after enough failures in a row; half-open after the cooldown, when one call is let
    through as a probe: its answer closes the circuit, its failure opens it again.
    Source: https://martinfowler.com/bliki/CircuitBreaker.html
    """

    def __init__(self, policy: BreakerPolicy | None = None) -> None:
        self._policy = policy or BreakerPolicy()
        self._failures: deque[float] = deque(maxlen=self._policy.failures)
        self._opened: float | None = None
        self._probe: Permit | None = None

    def state(self, now: float) -> State:
        """What the next call meets."""
        if self._opened is None:
            return "closed"
        return "open" if now < self._opened + self._policy.cooldown else "half_open"

    def permit(self, now: float) -> Permit | None:
        """What a call needs to go; None where it must not. In the half-open state one call gets it."""
        state = self.state(now)
        if state == "open" or self._probe is not None:
            return None
        permit = Permit(self)
        self._probe = permit if state == "half_open" else None
        return permit

    def closed_in(self, now: float) -> float:
        """Seconds until a probe is let through."""
        return 0.0 if self._opened is None else max(0.0, self._opened + self._policy.cooldown - now)

    def take_back(self, permit: Permit, outcome: Outcome, now: float, requests: int = 1) -> None:
        """The permit's call has ended. Once the circuit has opened, only the probe's outcome counts."""
        if probe := permit is self._probe:
            self._probe = None
        elif self._opened is not None:
            return
        if outcome == "answered":
            self._failures.clear()
            self._opened = None
        elif outcome == "failed":
            self._failures.extend([now] * requests)
            if probe or too_many(self._failures, self._policy, now):
                self._opened = now


def too_many(failures: deque[float], policy: BreakerPolicy, now: float) -> bool:
    return len(failures) == policy.failures and now - failures[0] <= policy.window


class Permit:
    """One call that the breaker has let through. In a `with` block, so that a probe always comes back.

    Without a word in the block the outcome is unknown: cancelled, or the request was wrong.
    """

    def __init__(self, breaker: CircuitBreaker) -> None:
        self._breaker = breaker

    def answered(self, now: float) -> None:
        self._breaker.take_back(self, "answered", now)

    def failed(self, now: float, requests: int = 1) -> None:
        """The call failed after so many requests, in a way that says that the target is sick."""
        self._breaker.take_back(self, "failed", now, requests)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._breaker.take_back(self, "unknown", 0.0)
