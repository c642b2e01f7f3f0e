"""Slots: how many calls may be under way at once, all models together.

A semaphore whose slots can be lent. A stream holds its slot to its end, as any call does; but while it waits
for its consumer, others may have the slot. The consumer may itself be waiting for one of them, which it makes
in its loop over the stream: the two would wait for each other.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable

_PATIENCE = 0.1  # seconds that a consumer may take for a piece before the slot is lent


class Slots:
    """`count` of them. For one event loop."""

    def __init__(self, count: int) -> None:
        self._semaphore = asyncio.Semaphore(count)
        self._owed = 0  # slots taken back while others had them all

    async def acquire(self) -> None:
        """Wait for a slot, first come, first served."""
        await self._semaphore.acquire()

    def release(self) -> None:
        """Give a slot back."""
        if self._owed:
            self._owed -= 1
        else:
            self._semaphore.release()

    async def lent_while(self, consumer: Awaitable[None]) -> None:
        """Await `consumer`, and lend this call's slot while that takes long. Afterwards the call has it again
        at once, even if there are then more calls than slots for a while."""
        lent = False

        def lend() -> None:
            nonlocal lent
            lent = True
            self.release()

        timer = asyncio.get_running_loop().call_later(_PATIENCE, lend)
        try:
            await consumer
        finally:
            timer.cancel()
            if lent and self._semaphore.locked():
                self._owed += 1
            elif lent:
                await self._semaphore.acquire()  # there is one: this does not wait
