"""What a batch may cost: an upper bound is reserved before a call and settled after it.

Without a limit nothing is reserved, and the sum is kept all the same. For one event loop. Not here: prices
(cost.py of the package), how many tokens a prompt has (limits/tokens.py).
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager


class Reserved:
    """The dollars of one call that is under way: what they may come to, then what they came to."""

    def __init__(self, usd: float) -> None:
        self.usd = usd
        self.used = 0.0


class Spending:
    """US dollars: `spent` so far, and the `limit` that they stay below; None is no limit."""

    def __init__(self, limit: float | None, spent: float = 0.0) -> None:
        self.limit = limit
        self.spent = spent
        self._reserved = 0.0
        self._under_way = 0
        self._settled = asyncio.Event()

    async def room_for(self, usd: float) -> bool:
        """Whether a call that costs `usd` at the most may go. Waits for calls under way that may cost less
        than was reserved for them."""
        while self.limit is not None and self.spent + self._reserved + usd > self.limit:
            if not self._under_way:
                return False
            self._settled.clear()
            await self._settled.wait()
        return True

    async def another_settled(self) -> bool:
        """Within a call that a budget has refused: wait until another call has ended, which may have cost
        less than was reserved for it. False where all others wait, too."""
        self._under_way -= 1
        try:
            if not self._under_way:
                return False
            self._settled.clear()
            await self._settled.wait()
            return True
        finally:
            self._under_way += 1

    @contextmanager
    def reserve(self, usd: float) -> Iterator[Reserved]:
        """A call that may cost `usd`; within the block `used` is set to what it did cost."""
        reserved = Reserved(usd)
        self._reserved += usd
        self._under_way += 1
        try:
            yield reserved
        finally:
            self._reserved -= usd
            self._under_way -= 1
            self.spent += reserved.used
            self._settled.set()
