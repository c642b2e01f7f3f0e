"""A rate limit: so much a minute, evenly, with a burst of a twentieth of a second.

The pacing is aiolimiter's leaky bucket; around it stands what that leaves open.
It serves its smallest waiter first: so only one may wait here, the first in
line (line.py). It refuses an amount over its size: a large one is taken in
pieces. It takes nothing back: a difference is carried over to the next amount.
It cannot tell how long a wait will be: that is reckoned here, so that a call
whose deadline comes sooner fails at once.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress

from aiolimiter import AsyncLimiter

# Seconds' worth of the rate that may go at once. Long enough that a timer which fires
# a little late loses nothing; short enough for servers that count by the second.
_BURST_SECONDS = 0.05


class Bucket:
    """`per_minute` units a minute. `spent` units count as taken already. For one event loop."""

    def __init__(self, per_minute: float, *, spent: float = 0.0) -> None:
        self._set(per_minute)
        self._waiting: asyncio.Timeout | None = None
        self._missing = 0.0  # what the one who waits has not got yet; it is in _empty_at already
        self._carried = spent  # above 0: owed by the next amount; below 0: paid for already
        self._empty_at = 0.0  # when all that was taken will have leaked out

    def _set(self, per_minute: float) -> None:
        self.per_minute = per_minute
        self._rate = per_minute / 60
        self._size = 1 + self._rate * _BURST_SECONDS
        self._limiter = AsyncLimiter(self._size, self._size / self._rate)

    def change(self, per_minute: float) -> None:
        """Go on at another rate, also for who waits already. What was taken stays taken."""
        now = asyncio.get_running_loop().time()
        self._carried += max(0.0, self._level() - self._missing)
        self._set(per_minute)
        self._empty_at = now + self._missing / self._rate
        if self._waiting is not None:
            self._waiting.reschedule(0)
            self._waiting = None  # one that expires already must not be told again

    def wait_for(self, amount: float) -> float:
        """Seconds until `amount` would be there, if nobody else took any."""
        return max(0.0, self._level() + self._carried + amount - self._size) / self._rate

    async def take(self, amount: float) -> None:
        """Wait for `amount`. Cancelled, it keeps nothing."""
        owed, self._carried = amount + self._carried, 0.0
        if owed <= 0:
            self._carried = owed
            return
        self._empty_at = max(self._empty_at, asyncio.get_running_loop().time()) + owed / self._rate
        self._missing = owed
        try:
            while self._missing > 0:
                piece = min(self._size, self._missing)
                with suppress(TimeoutError):  # raised by `change`: then again, at the new rate
                    async with asyncio.timeout(None) as self._waiting:
                        await self._limiter.acquire(piece)
                    self._missing -= piece
        except BaseException:
            self._empty_at -= self._missing / self._rate
            self._carried += self._missing - amount
            self._missing = 0.0
            raise
        finally:
            self._waiting = None

    def drain_burst(self) -> None:
        """Let the next amount go as soon as it may, and all after it one by one."""
        self._carried = max(self._carried, self._size - 1)

    def settle(self, difference: float) -> None:
        """`difference` more units were used than taken; below 0, fewer, and they are given back."""
        self._carried += difference

    def _level(self) -> float:
        return max(0.0, self._empty_at - asyncio.get_running_loop().time()) * self._rate
