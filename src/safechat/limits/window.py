"""Window: how many requests may be under way at once while nobody knows what the API allows.

Not here: how fast requests may go (bucket.py).
"""

from __future__ import annotations

import asyncio
import math

FIRST_SIZE = 8  # requests that go before the first answer, whose headers may tell the limits
SIZE_AFTER_429 = 1


class Window:
    """Grows by one with each answer, closes to one after a 429. For one event loop, one waiter at a time."""

    def __init__(self) -> None:
        self._size: float = FIRST_SIZE
        self._under_way = 0
        self._landed = asyncio.Event()

    @property
    def under_way(self) -> int:
        """Requests that have no answer yet."""
        return self._under_way

    async def room(self) -> None:
        """Wait until one more may be under way."""
        while self._under_way >= self._size:
            self._landed.clear()
            await self._landed.wait()

    def enter(self) -> None:
        """One more is under way."""
        self._under_way += 1

    def leave(self) -> None:
        """One has landed, with an answer or without."""
        self._under_way -= 1
        self._landed.set()

    def answered(self) -> None:
        """The API has answered, and named no limit of requests."""
        self._size += 1

    def refused(self) -> None:
        """A 429."""
        self._size = SIZE_AFTER_429

    def open(self) -> None:
        """The limit of requests is known: the bucket paces them now."""
        self._size = math.inf
