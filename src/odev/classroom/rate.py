"""The classroom's limit of requests a second: a bucket that starts full and fills evenly.

Not here: what a refusal looks like (faults.py).
"""

from __future__ import annotations

from collections.abc import Callable


class Rate:
    """`per_second` requests a second, and as many at once when it has been quiet for a second.

    `clock` gives seconds, as time.monotonic does.
    """

    def __init__(self, per_second: float, clock: Callable[[], float]) -> None:
        self._per_second = per_second
        self._clock = clock
        self.refill()

    def refill(self) -> None:
        """As at the beginning: full."""
        self._left, self._at = self._per_second, self._clock()

    def take(self) -> float:
        """Take one request: 0. Where none is left, the seconds until the next one; then nothing is taken."""
        now = self._clock()
        self._left = min(self._per_second, self._left + (now - self._at) * self._per_second)
        self._at = now
        if self._left < 1:
            return (1 - self._left) / self._per_second
        self._left -= 1
        return 0.0
