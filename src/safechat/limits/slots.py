"""Slots: how many calls may be under way at once, all models together.

A semaphore whose slots can be lent. A stream holds its slot to its end, as any call does; but while its
consumer is busy with a piece, others may have the slot. The consumer may itself be waiting for one of them,
which it makes in its loop over the stream: the two would wait for each other.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from contextvars import ContextVar
from typing import Protocol

from safechat.runtime import clock

_PATIENCE = 0.1  # seconds that a consumer may take for a piece before the slot is lent


class Slots:
    """`count` of them. For one event loop."""

    def __init__(self, count: int) -> None:
        self.count = self._count_now = count
        self._semaphore = asyncio.Semaphore(count)
        self._owed = 0  # slots taken back while others had them all

    async def acquire(self) -> None:
        """Wait for a slot, first come, first served."""
        await self._semaphore.acquire()

    @property
    def is_free(self) -> bool:
        """Whether there is a slot for who comes now, without a wait."""
        return not self._semaphore.locked()

    def release(self) -> None:
        """Give a slot back."""
        if self._owed:
            self._owed -= 1
        else:
            self._semaphore.release()

    async def take_back(self) -> None:
        """A slot at once, even if there are then more calls than slots for a while."""
        if self._semaphore.locked():
            self._owed += 1
        else:
            await self._semaphore.acquire()  # there is one: this does not wait

    async def divide(self, fraction: float) -> None:
        """From now on there is this fraction of them, and at least one."""
        count = max(1, int(self.count * fraction + 1e-9))  # a third of 3 is 1, also with floats
        for _ in range(self._count_now - count):
            await self.take_back()
        for _ in range(count - self._count_now):
            self.release()
        self._count_now = count


class Lendable(Protocol):
    """Where a slot comes from."""

    def release(self) -> None:
        """Give a slot back."""

    async def take_back(self) -> None:
        """A slot at once, even if there are then more calls than slots for a while."""


class Slot:
    """The slot that one call has acquired, until its `end`."""

    def __init__(self, slots: Lendable) -> None:
        self._slots = slots
        self._reasons = 0  # to lend it
        self._busy_since = 0.0
        self._timer: asyncio.TimerHandle | None = None  # one for many pieces
        self._lent = self._ended = False

    async def lent_while(self, consumer: Awaitable[None]) -> None:
        """Await `consumer`, and lend the slot while that takes long. It finds the slot by `slot_here`."""
        token = _here.set(self)
        self.lend()
        try:
            await consumer
        finally:
            _here.reset(token)
            await self.take_back()

    def lend(self) -> None:
        """The consumer is busy: others may have the slot, if it does not come back soon."""
        self._reasons += 1
        if self._reasons == 1 and not self._ended:
            self._busy_since = clock.now()
            if self._timer is None:
                self._set_timer()

    async def take_back(self) -> None:
        """Once for each `lend`. After the last one the call has its slot again."""
        self._reasons -= 1
        if self._lent and not self._reasons and not self._ended:
            self._lent = False
            await self._slots.take_back()

    def end(self) -> None:
        """The call is over."""
        self._ended = True
        if self._timer is not None:
            self._timer.cancel()
        if not self._lent:
            self._slots.release()

    def _set_timer(self) -> None:
        when = self._busy_since + _PATIENCE
        self._timer = asyncio.get_running_loop().call_at(when, self._let_go)

    def _let_go(self) -> None:
        self._timer = None
        if self._reasons and clock.now() < self._busy_since + _PATIENCE:
            self._set_timer()  # for the piece that came last
        elif self._reasons:
            self._lent = True
            self._slots.release()


_here: ContextVar[Slot | None] = ContextVar("safechat_slot", default=None)


def slot_here() -> Slot | None:
    """The slot of the call whose consumer is given a piece here. None outside `lent_while`."""
    return _here.get()
