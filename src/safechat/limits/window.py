"""Window: how many requests may be without an answer at once while nobody knows what the API allows.

It grows and shrinks as TCP's does: by one with each answer at first; after a 429 it is half of what was under
way, and above half of what it was before it grows by one a round. Not here: calls at once in any case
(slots.py), their pace (bucket.py).
"""

from __future__ import annotations

import asyncio
import math

FIRST_SIZE = 8  # requests that go before the first answer, whose headers may tell the limits


class Window:
    """Calls between `enter` and `leave` have no answer yet. For one event loop, one waiter at a time.

    After `probe` the next call goes alone, and the others wait for its answer.
    """

    def __init__(self, size: float = FIRST_SIZE) -> None:
        self._size = size
        self._threshold = math.inf  # up to here it grows fast
        self._calls: set[object] = set()
        self._refused_with: set[object] = set()  # under way when the size was last halved
        self._probe: object = None
        self._probe_wanted = False
        self._changed = asyncio.Event()

    @property
    def under_way(self) -> int:
        """Calls that have no answer yet."""
        return len(self._calls)

    async def room(self) -> None:
        """Wait until one more call may go."""
        while not self._has_room():
            self._changed.clear()
            await self._changed.wait()

    def enter(self, call: object) -> None:
        """`call` goes, as the probe if one is wanted."""
        self._calls.add(call)
        if self._probe_wanted:
            self._probe, self._probe_wanted = call, False

    def leave(self, call: object) -> None:
        """`call` has its answer, or has ended without one. Where that was the probe, the next call is it."""
        self._calls.discard(call)
        self._refused_with.discard(call)
        if call is self._probe:
            self.probe()
        self._changed.set()

    def answered(self, call: object) -> None:
        """An answer has come that names no limit of requests."""
        self._probe_done(call)
        self._size += 1 if self._size < self._threshold else 1 / self._size

    def refused(self, call: object) -> None:
        """A 429. Those of calls that were under way together count as one."""
        self._probe_done(call)
        if call not in self._refused_with:
            self._threshold = min(self._size, max(self.under_way, FIRST_SIZE)) / 2
            self._size = max(1, min(self._size, self.under_way) / 2)
            self._refused_with = set(self._calls)

    def open(self, call: object) -> None:
        """The limit of requests is known: the bucket paces the calls, and the window does not matter."""
        self._probe_done(call)
        self._size = math.inf

    def probe(self) -> None:
        """Let the next call go alone."""
        self._probe, self._probe_wanted = None, True

    def _probe_done(self, call: object) -> None:
        if call is self._probe:
            self._probe = None

    def _has_room(self) -> bool:
        return self._probe is None and (self._probe_wanted or self.under_way < self._size)
