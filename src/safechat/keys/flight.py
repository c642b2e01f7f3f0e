"""Flight: one read of a key's source, in its own thread, that serves all who wait for it.

The field calls this a single flight. Not here: when a read starts, and what its result changes (cache.py).
"""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress

import anyio

from safechat.errors import ChatError


class Flight:
    """One read, from its start until `end`. `started` is on the clock of the cache.

    `refused` says that the read was started because the API refused the key in hand.
    """

    def __init__(self, started: float, *, refused: bool) -> None:
        self.started = started
        self.refused = refused
        self.failure: ChatError | None = None
        self._done: Future[None] = Future()

    @property
    def done(self) -> bool:
        return self._done.done()

    def start(self, work: Callable[[Flight], None]) -> None:
        """Run `work(self)` in a daemon thread. Raises RuntimeError where the system has no thread left."""
        run = contextvars.copy_context().run  # so that what the read logs has the ids of the call
        threading.Thread(target=run, args=(work, self), name="safechat-keys", daemon=True).start()

    def end(self, failure: ChatError | None) -> None:
        """Wake all who wait. `failure` is what each of them must raise. To be called once."""
        self.failure = failure
        self._done.set_result(None)

    async def wait(self, seconds: float) -> None:
        """Return when the read is done, or after that many seconds. Cancelling a waiter disturbs no other."""
        loop = asyncio.get_running_loop()
        woken = asyncio.Event()

        def wake(_: object) -> None:
            with suppress(RuntimeError):  # that loop has ended
                loop.call_soon_threadsafe(woken.set)

        self._done.add_done_callback(wake)
        with anyio.move_on_after(max(0.0, seconds)):
            await woken.wait()
