"""Bucket: a rate limit of so much a minute, evenly, with a burst of a twentieth of a second.

The pacing is aiolimiter's leaky bucket. Around it stands what that leaves open. It serves its smallest
waiter first: so only one waits here at a time (gate.py). It refuses an amount over its size: a large one is
taken in pieces. It takes nothing back and keeps its rate: so what is not in it yet, or was given back, is
`owed` beside it, and a new one takes its place. Not here: whose turn it is (gate.py).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress

from aiolimiter import AsyncLimiter

from safechat.runtime import clock

# Seconds' worth of the rate that may go at once. Long enough that a timer which fires
# a little late loses nothing; short enough for servers that count by the second.
BURST_SECONDS = 0.05


class Bucket:
    """`per_minute` units a minute; `level` of them are taken. For one event loop, one waiter at a time."""

    def __init__(self, per_minute: float, *, level: float = 0.0) -> None:
        self._owed = level  # Taken, and not in the limiter yet. Below 0: a credit, which does not leak.
        self._owed_at = self._empty_at = clock.now()  # From when the two leak, and when the limiter is empty.
        self._waiting: asyncio.Timeout | None = None
        self._begin(per_minute)

    def change(self, per_minute: float) -> None:
        """Go on at another rate, also for the one who waits already. What was taken stays taken."""
        self._empty_limiter(clock.now())
        self._begin(per_minute)

    async def take(self, amount: float, check: Callable[[], None] = lambda: None) -> None:
        """Wait for `amount`. `check` is called when something has changed meanwhile, and may raise.

        Cancelled, or where `check` raises, it keeps nothing.
        """
        now = clock.now()
        self._leak(now)
        self._owed += amount
        try:
            while self._owed > 0:
                is_held = now < self._owed_at
                if is_held and self._level(now) + self._owed <= self._size:
                    return  # there is room: what is owed leaks from the end of the hold on
                piece = min(self._size, self._owed)
                if is_held or self._level(now) + piece > self._size:
                    await self._wait_for_piece(piece)
                    check()
                    now = clock.now()
                else:
                    await self._take_piece(piece, now)
        except BaseException:
            self.settle(-amount)
            raise

    def wait_for(self, amount: float) -> float:
        """Seconds until `amount` would be there, if nobody else took any."""
        now = clock.now()
        self._leak(now)
        missing = self._level(now) + self._owed + amount - self._size
        return max(0.0, self._owed_at - now) + missing / self._rate if missing > 0 else 0.0

    def settle(self, difference: float) -> None:
        """`difference` more units were used than taken; below 0, fewer, and they are given back."""
        now = clock.now()
        if self._waiting is not None or self._empty_at > now:
            self._empty_limiter(now)
        else:
            self._leak(now)
        self._owed += difference

    def hold_until(self, when: float) -> None:
        """From `when` on, amounts go one by one, without a burst before the first."""
        now = clock.now()
        is_held = self._owed_at > now  # by a refusal before this one: a burst is taken once
        self._empty_limiter(now)
        if not is_held:
            self._owed = max(0.0, self._owed - self._rate * (when - now)) + self._size - 1
        self._owed_at = max(self._owed_at, when)

    def set_level(self, level: float, held: float) -> None:
        """What is taken is `level`, as others count it, and leaks after `held` seconds."""
        now = clock.now()
        self._empty_limiter(now)
        self._owed = level
        self._owed_at = now + held

    async def _wait_for_piece(self, piece: float) -> None:
        try:
            with suppress(TimeoutError):  # raised when the bucket changes: then the rest is waited for anew
                async with asyncio.timeout(None) as self._waiting:
                    await asyncio.sleep(self._owed_at - clock.now())
                    # A change may have come in this very step: its error is on its way, the size is new.
                    await self._take_piece(min(piece, self._size))
        finally:
            self._waiting = None

    async def _take_piece(self, piece: float, now: float | None = None) -> None:
        """`now` is given where the limiter has room, so that this does not wait."""
        await self._limiter.acquire(piece)
        self._owed -= piece
        self._empty_at = max(self._empty_at, clock.now() if now is None else now) + piece / self._rate

    def _begin(self, per_minute: float) -> None:
        self.per_minute = per_minute
        self._rate = per_minute / 60
        self._size = 1 + self._rate * BURST_SECONDS
        self._limiter = AsyncLimiter(self._size, self._size / self._rate)

    def _empty_limiter(self, now: float) -> None:
        """From now on all that was taken is owed, in front of a new limiter."""
        self._leak(now)
        self._owed += self._level(now)
        self._empty_at = now
        self._begin(self.per_minute)
        if self._waiting is not None:
            self._waiting.reschedule(0)
            self._waiting = None  # one that expires already must not be rescheduled

    def _leak(self, now: float) -> None:
        """What is owed leaks when the limiter is empty, and nobody waits to put it in."""
        since = max(self._owed_at, self._empty_at)
        if now > since and self._waiting is None:
            if self._owed > 0:
                self._owed = max(0.0, self._owed - self._rate * (now - since))
            self._owed_at = now

    def _level(self, now: float) -> float:
        return max(0.0, self._empty_at - now) * self._rate
