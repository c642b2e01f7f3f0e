"""Bucket: a rate limit of so much a minute, evenly, with a burst of a twentieth of a second.

A leaky bucket: what is taken raises its level, the level sinks at the rate, and an amount may go as soon as
the level is no higher than the size. So an amount above the size goes too, when enough has leaked; the rate
may change while somebody waits; and what was reserved and not used is given back. aiolimiter does none of
the three, and serves its smallest waiter first. Not here: whose turn it is (gate.py).
"""

from __future__ import annotations

import asyncio
from contextlib import suppress

from safechat.runtime import clock

# Seconds' worth of the rate that may go at once. Long enough that a timer which fires
# a little late loses nothing; short enough for servers that count by the second.
_BURST_SECONDS = 0.05


class Bucket:
    """`per_minute` units a minute; `level` of them are taken. For one event loop, one waiter at a time."""

    def __init__(self, per_minute: float, *, level: float = 0.0) -> None:
        self._level, self._level_at, self._rate = level, clock.now(), 0.0
        self._changed = asyncio.Event()
        self.change(per_minute)

    def change(self, per_minute: float) -> None:
        """Go on at another rate, also for the one who waits already. What was taken stays taken."""
        self.settle(0)
        self.per_minute, self._rate = per_minute, per_minute / 60
        self._size = 1 + self._rate * _BURST_SECONDS

    async def take(self, amount: float) -> None:
        """Wait for `amount`. Cancelled, it keeps nothing."""
        self.settle(amount)
        try:
            while (wait := self.wait_for(0)) > 0:
                self._changed.clear()
                with suppress(TimeoutError):
                    async with asyncio.timeout(wait):
                        await self._changed.wait()
        except BaseException:
            self.settle(-amount)
            raise

    def wait_for(self, amount: float) -> float:
        """Seconds until `amount` would be there, if nobody else took any."""
        self._leak(clock.now())
        missing = self._level + amount - self._size
        return self._level_at - clock.now() + missing / self._rate if missing > 0 else 0.0

    def settle(self, difference: float) -> None:
        """`difference` more units were used than taken; below 0, fewer, and they are given back."""
        self._leak(clock.now())
        self._level += difference
        self._changed.set()

    def hold_until(self, when: float) -> None:
        """From `when` on, amounts go one by one: what a burst would take counts as taken, beside the rest."""
        held = self._level_at > clock.now()  # by a refusal before this one: a burst is taken once
        self._leak(when)
        if not held:
            self._level = max(0.0, self._level) + self._size - 1

    def _leak(self, until: float) -> None:
        """The level as of `until`. Below 0 it is a credit for what was given back, and stays."""
        if self._level > 0:
            self._level = max(0.0, self._level - self._rate * max(0.0, until - self._level_at))
        self._level_at = max(until, self._level_at)
