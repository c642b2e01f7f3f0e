"""CircuitBreaker: remembers that a target fails, so that no call waits for it in vain.

Pure decisions about `now`. Not here: asking the next model (fallback.py).
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from safechat.checks import check_count, check_seconds


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
    """Closed, open, half-open: pure decisions about `now`, in seconds of any clock.

    Open after enough failures in a row; half-open after the cooldown, when one
    call is let through as a probe: its answer closes the circuit, its failure
    opens it again. Source: https://martinfowler.com/bliki/CircuitBreaker.html
    """

    def __init__(self, policy: BreakerPolicy | None = None) -> None:
        self._policy = policy or BreakerPolicy()
        self._failures: deque[float] = deque(maxlen=self._policy.failures)
        self._opened: float | None = None
        self._probing = False

    def state(self, now: float) -> str:
        """`closed`, `open` or `half_open`."""
        if self._opened is None:
            return "closed"
        return "open" if now < self._opened + self._policy.cooldown else "half_open"

    def allows(self, now: float) -> bool:
        """Whether a call may go. One that may in the half-open state is the probe."""
        state = self.state(now)
        if state == "half_open" and not self._probing:
            self._probing = True
            return True
        return state == "closed"

    def closed_in(self, now: float) -> float:
        """Seconds until a probe is let through."""
        return max(0.0, self._opened + self._policy.cooldown - now) if self._opened is not None else 0.0

    def answered(self, *, probe: bool = False) -> None:
        """An allowed call got its answer. One that is no probe says nothing once the circuit has opened."""
        if probe or self._opened is None:
            self._failures.clear()
            self._opened = None
        self._end(probe)

    def failed(self, now: float, requests: int = 1, *, probe: bool = False) -> None:
        """An allowed call failed after so many requests, in a way that says the target is sick."""
        if probe:
            self._opened = now
        elif self._opened is None:
            self._failures.extend([now] * requests)
            enough = len(self._failures) == self._policy.failures
            if enough and now - self._failures[0] <= self._policy.window:
                self._opened = now
        self._end(probe)

    def released(self, *, probe: bool = False) -> None:
        """An allowed call ended in a way that says nothing: cancelled, or the request was wrong."""
        self._end(probe)

    def _end(self, probe: bool) -> None:
        if probe:
            self._probing = False
