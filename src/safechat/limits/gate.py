"""A line for one quota: strictly first come, first served, and it can be closed for a while.

asyncio.Lock with two things more. While it is closed (the API asked everyone to
wait) nobody is let in, and who would wait past his deadline is told at once. And
a call that the API refused may go to the head of the line.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(slots=True, eq=False)
class _Waiting:
    turn: asyncio.Future[None]
    deadline: float | None


class Gate:
    """One at a time is inside, between `enter` and `leave`. For one event loop."""

    def __init__(self) -> None:
        self._inside = False
        self._waiting: deque[_Waiting] = deque()
        self._opens_at = 0.0
        self._timer: asyncio.TimerHandle | None = None

    async def enter(self, *, deadline: float | None = None, first: bool = False) -> None:
        """Wait for the turn. `deadline` is on the loop's clock."""
        loop = asyncio.get_running_loop()
        if not self._inside and not self._waiting and loop.time() >= self._opens_at:
            self._inside = True
            return
        waiting = _Waiting(loop.create_future(), deadline)
        self._waiting.appendleft(waiting) if first else self._waiting.append(waiting)
        self._admit()
        try:
            await waiting.turn
        except asyncio.CancelledError:
            turn = waiting.turn
            if turn.done() and not turn.cancelled() and turn.exception() is None:
                self.leave()  # the turn came at the same moment
            elif waiting in self._waiting:
                self._waiting.remove(waiting)
            raise

    def leave(self) -> None:
        """The next one's turn."""
        self._inside = False
        self._admit()

    async def opened(self) -> None:
        """Wait until it is not closed; the turn does not change."""
        while (pause := self.closed_for()) > 0:  # noqa: ASYNC110 - it may be closed again meanwhile
            await asyncio.sleep(pause)

    def closed_for(self) -> float:
        """Seconds until the line opens; 0 if it is open."""
        return max(0.0, self._opens_at - asyncio.get_running_loop().time())

    def close_until(self, when: float, too_late: Callable[[float], Exception]) -> None:
        """Let nobody in before `when`; who must be done by then gets `too_late(seconds)` raised."""
        self._opens_at = max(self._opens_at, when)
        for waiting in [each for each in self._waiting if each.deadline is not None and each.deadline < when]:
            self._waiting.remove(waiting)
            if not waiting.turn.done():
                waiting.turn.set_exception(too_late(self.closed_for()))

    def _admit(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._inside or not self._waiting:
            return
        loop = asyncio.get_running_loop()
        if loop.time() < self._opens_at:
            self._timer = loop.call_at(self._opens_at, self._admit)
            return
        while self._waiting:
            waiting = self._waiting.popleft()
            if not waiting.turn.done():
                self._inside = True
                waiting.turn.set_result(None)
                return
