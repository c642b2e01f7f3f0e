"""Bucket: a rate limit of so much a minute, evenly, with a burst of a twentieth of a second.

A leaky bucket: what is taken raises its level, the level sinks at the rate, and an amount may go as soon as
the level is no higher than the size. So an amount above the size goes too, when enough has leaked; the rate
may change while somebody waits; and what was reserved and not used is given back. aiolimiter does none of
the three, and serves its smallest waiter first. Not here: whose turn it is (gate.py).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress

from safechat.runtime import clock

# Seconds' worth of the rate that may go at once. Long enough that a timer which fires
# a little late loses nothing; short enough for servers that count by the second.
_BURST_SECONDS = 0.05


class Level:
    """How much of a bucket is taken. Below 0 it is a credit for what was given back, which does not leak.

    A pure state: every method is given the time.
    """

    def __init__(self, units: float, at: float) -> None:
        self.units, self.at = units, at
        self.rate = self.size = 0.0

    def leak(self, until: float) -> None:
        """The level as of `until`."""
        if until > self.at:
            if self.units > 0:
                self.units = max(0.0, self.units - self.rate * (until - self.at))
            self.at = until

    def wait_for(self, amount: float, now: float) -> float:
        """Seconds until the bucket holds no more than its size, with `amount`."""
        self.leak(now)
        missing = self.units + amount - self.size
        return self.at - now + missing / self.rate if missing > 0 else 0.0

    def hold(self, until: float, now: float) -> None:
        """Nothing leaks before `until`, and what a burst would take counts as taken, beside the rest."""
        if self.at > now:  # held already, by a refusal before this one: a burst is taken once
            self.at = max(until, self.at)
        else:
            self.leak(until)
            self.units = max(0.0, self.units) + self.size - 1


class Bucket:
    """`per_minute` units a minute; `level` of them are taken. For one event loop, one waiter at a time."""

    def __init__(self, per_minute: float, *, level: float = 0.0) -> None:
        self._level = Level(level, clock.now())
        self._changed = asyncio.Event()
        self.change(per_minute)

    def change(self, per_minute: float) -> None:
        """Go on at another rate, also for the one who waits already. What was taken stays taken."""
        self.settle(0)
        self.per_minute = per_minute
        self._level.rate = per_minute / 60
        self._level.size = 1 + self._level.rate * _BURST_SECONDS

    async def take(self, amount: float, check: Callable[[], None] = lambda: None) -> None:
        """Wait for `amount`. `check` is called when something has changed meanwhile, and may raise.

        Cancelled, or where `check` raises, it keeps nothing.
        """
        self.settle(amount)
        try:
            while (wait := self.wait_for(0)) > 0:
                self._changed.clear()
                with suppress(TimeoutError):
                    async with asyncio.timeout(wait):
                        await self._changed.wait()
                        check()
        except BaseException:
            self.settle(-amount)
            raise

    def wait_for(self, amount: float) -> float:
        """Seconds until `amount` would be there, if nobody else took any."""
        return self._level.wait_for(amount, clock.now())

    def settle(self, difference: float) -> None:
        """`difference` more units were used than taken; below 0, fewer, and they are given back."""
        self._level.leak(clock.now())
        self._level.units += difference
        self._changed.set()

    def hold_until(self, when: float) -> None:
        """From `when` on, amounts go one by one, without a burst before the first."""
        self._level.hold(when, clock.now())
        self._changed.set()
