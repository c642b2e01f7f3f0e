"""Gate: a FIFO lock that can be closed until a given time.

While it is closed (the API asked everyone to wait) nobody is let in, and a waiter whose deadline comes
earlier gets an error at once. A call that the API refused goes before all others.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from safechat.runtime import clock


@dataclass(slots=True, eq=False)
class Waiter:
    """A call in line, and the moment at which it must be over."""

    turn: asyncio.Future[None]
    deadline: float | None


class Gate:
    """One call at a time has the turn, between `enter` and `leave`. For one event loop.

    `deadline` and `when` are moments on the loop's clock.
    """

    def __init__(self) -> None:
        self._taken = False
        self._waiters: deque[Waiter] = deque()
        self._opens_at = 0.0
        self._timer: asyncio.TimerHandle | None = None

    async def enter(self, *, deadline: float | None = None, first: bool = False) -> None:
        """Wait for the turn, behind all others or before them. Cancelled, it leaves nobody in line."""
        if not self._taken and not self._waiters and not self.closed_for():
            self._taken = True
            return
        waiter = Waiter(asyncio.get_running_loop().create_future(), deadline)
        self._waiters.appendleft(waiter) if first else self._waiters.append(waiter)
        self._admit()
        try:
            await waiter.turn
        except asyncio.CancelledError:
            turn = waiter.turn
            if turn.done() and not turn.cancelled() and turn.exception() is None:
                self.leave()  # the turn came at the same moment
            elif waiter in self._waiters:
                self._waiters.remove(waiter)
            raise

    def leave(self) -> None:
        """The turn is the next one's."""
        self._taken = False
        self._admit()

    async def opened(self) -> None:
        """Wait until the gate is open, and keep the turn."""
        while (pause := self.closed_for()) > 0:  # noqa: ASYNC110 - it may be closed again meanwhile
            await asyncio.sleep(pause)

    def closed_for(self) -> float:
        """Seconds until the gate opens; 0 if it is open."""
        return max(0.0, self._opens_at - clock.now())

    def close_until(self, when: float, too_late: Callable[[float], Exception]) -> None:
        """Let nobody in before `when`. A waiter whose deadline comes earlier gets `too_late(seconds)`."""
        self._opens_at = max(self._opens_at, when)
        for waiter in [waiter for waiter in self._waiters if waiter.deadline is not None]:
            if waiter.deadline is not None and waiter.deadline < when:
                self._waiters.remove(waiter)
                if not waiter.turn.done():
                    waiter.turn.set_exception(too_late(self.closed_for()))

    def _admit(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._taken or not self._waiters:
            return
        if self.closed_for():
            self._timer = asyncio.get_running_loop().call_at(self._opens_at, self._admit)
            return
        while self._waiters:
            turn = self._waiters.popleft().turn
            if not turn.done():
                self._taken = True
                turn.set_result(None)
                return
