"""RetryBudget: how many retries all calls of a model may make together.

Not here: when one call tries again (retry.py).
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass


@dataclass(slots=True)
class Counts:
    """What happened in the second that begins at `begins`."""

    begins: float
    calls: int = 0
    retries: int = 0


class RetryBudget:
    """Retries are a `share` of the calls within the last `window` seconds, and `floor` a second besides.

    So an API that is down gets a fifth more requests and no storm, a program that calls seldom keeps its
    retries, and an outage is forgotten ten seconds later. `now` is in seconds of any clock.
    Sources: https://twitter.github.io/finagle/docs/com/twitter/finagle/service/RetryBudget$.html
    https://docs.rs/tower/latest/tower/retry/budget/struct.TpsBudget.html
    """

    def __init__(self, share: float = 0.2, floor: float = 1.0, window: float = 10.0) -> None:
        self._share = share
        self._least = floor * window
        self._window = window
        self._counts: deque[Counts] = deque()

    def called(self, now: float) -> None:
        """A call begins."""
        self._current(now).calls += 1

    def take(self, now: float) -> bool:
        """Take one retry out; False where none is left."""
        current = self._current(now)
        calls = sum(counts.calls for counts in self._counts)
        retries = sum(counts.retries for counts in self._counts)
        if retries + 1 > self._least + self._share * calls:
            return False
        current.retries += 1
        return True

    def _current(self, now: float) -> Counts:
        """The counts of this second; those that are older than the window are dropped."""
        while self._counts and self._counts[0].begins <= now - self._window:
            self._counts.popleft()
        if not self._counts or self._counts[-1].begins + 1 <= now:
            self._counts.append(Counts(now))
        return self._counts[-1]
