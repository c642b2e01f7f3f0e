"""Gate: a FIFO lock that can be closed until a given time.

While it is closed (the API asked everyone to wait) nobody is let in, and a waiter whose deadline comes
earlier gets an error at once. Calls that the API has sent back go before all others, in their own order.
"""

from __future__ import annotations

import asyncio
import math
from bisect import insort
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from safechat.runtime import clock


@dataclass(slots=True, eq=False)
class Waiter:
    """A call in line: when it began, and when it must be over."""

    turn: asyncio.Future[None]
    began: float
    deadline: float


class Gate:
    """One call at a time has the turn, between `enter` and `leave`. For one event loop.

    `deadline` and `when` are moments on the loop's clock.
    """

    def __init__(self) -> None:
        self._taken = False
        self._sent_back: list[Waiter] = []
        self._waiters: OrderedDict[Waiter, None] = OrderedDict()
        self._opens_at = 0.0
        self._timer: asyncio.TimerHandle | None = None

    async def enter(
        self,
        *,
        began: float = 0.0,
        deadline: float = math.inf,
        sent_back: bool = False,
        gave_way: bool = False,
    ) -> None:
        """Wait for the turn, behind all others. A call that the API has `sent_back` goes before them, and
        among those the one that `began` first. One that `gave_way` is the first of the others."""
        if not self._taken and not self._has_waiters() and not self.closed_for():
            self._taken = True
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        waiter = Waiter(turn, began, deadline)
        if sent_back:
            insort(self._sent_back, waiter, key=lambda waiter: waiter.began)
        else:
            self._waiters[waiter] = None
            self._waiters.move_to_end(waiter, last=not gave_way)
        self._admit()
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled() and turn.exception() is None:
                self.leave()  # the turn came at the same moment
            self._forget(waiter)
            raise

    def leave(self) -> None:
        """The turn is the next one's."""
        self._taken = False
        self._admit()

    @property
    def has_sent_back(self) -> bool:
        """Whether a call that the API has sent back waits for the turn."""
        return bool(self._sent_back)

    async def opened(self) -> None:
        """Wait until the gate is open, and keep the turn."""
        while (pause := self.closed_for()) > 0:  # noqa: ASYNC110 - it may be closed again meanwhile
            await asyncio.sleep(pause)

    def closed_for(self) -> float:
        """Seconds until the gate opens; 0 if it is open."""
        return max(0.0, self._opens_at - clock.now()) if self._opens_at else 0.0  # most never close

    def close_until(self, when: float, too_late: Callable[[float], Exception]) -> None:
        """Let nobody in before `when`. A waiter whose deadline comes earlier gets `too_late(seconds)`."""
        self._opens_at = max(self._opens_at, when)
        for waiter in [*self._sent_back, *self._waiters]:
            if waiter.deadline < when:
                self._forget(waiter)
                if not waiter.turn.done():
                    waiter.turn.set_exception(too_late(self.closed_for()))

    def _admit(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._taken or not self._has_waiters():
            return
        if self.closed_for():
            self._timer = asyncio.get_running_loop().call_at(self._opens_at, self._admit)
            return
        while self._has_waiters():
            turn = self._next().turn
            if not turn.done():
                self._taken = True
                turn.set_result(None)
                return

    def _has_waiters(self) -> bool:
        return bool(self._sent_back or self._waiters)

    def _next(self) -> Waiter:
        return self._sent_back.pop(0) if self._sent_back else self._waiters.popitem(last=False)[0]

    def _forget(self, waiter: Waiter) -> None:
        self._waiters.pop(waiter, None)
        if waiter in self._sent_back:
            self._sent_back.remove(waiter)
