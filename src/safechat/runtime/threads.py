"""Runs a blocking function in a daemon thread, from an event loop.

anyio.to_thread would not do: its threads are not daemons, and a program whose
loop runs in the background would wait for them at its end, for ever. A thread
whose caller has gone and whose time is over is ended, if it is not blocked in
the operating system, where its own time limit ends it. Not here: what runs in them.
"""

from __future__ import annotations

import asyncio
import contextvars
import ctypes
import math
import threading
from collections.abc import Callable
from typing import Generic, TypeVar, cast

T = TypeVar("T")

_EVERY = 1.0  # seconds between two attempts to end a thread


class Abandoned(BaseException):
    """Raised in a thread for which nobody waits any more, and whose time is over."""


class Threads:
    """At most `count` threads at once. For one event loop.

    A thread keeps its place to its own end, also when its caller was cancelled long before.
    """

    def __init__(self, count: int) -> None:
        self._places = asyncio.Semaphore(count)

    async def run(
        self,
        function: Callable[[], T],
        *,
        unwanted: Callable[[T], object] | None = None,
        seconds: float = math.inf,
    ) -> T:
        """`in_thread`, as soon as there is a place."""
        await asyncio.sleep(0)
        await self._places.acquire()
        try:
            thread = _Thread(function, unwanted, self._places.release)
        except BaseException:
            self._places.release()
            raise
        return await thread.result(seconds)


async def in_thread(
    function: Callable[[], T],
    *,
    unwanted: Callable[[T], object] | None = None,
    seconds: float = math.inf,
) -> T:
    """The result of `function()`, run with the caller's context variables.

    A cancelled caller goes on at once; the function runs to its own end, or, after `seconds`, until
    Abandoned is raised in it. What it returns or raises then is dropped, or given to `unwanted`. Where
    the caller is cancelled at the moment of the call, the function does not run.
    """
    await asyncio.sleep(0)
    return await _Thread(function, unwanted, lambda: None).result(seconds)


class _Thread(Generic[T]):
    """A thread that runs one function. `ended` is called in the event loop when it is over."""

    def __init__(
        self, function: Callable[[], T], unwanted: Callable[[T], object] | None, ended: Callable[[], object]
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._future: asyncio.Future[T] = self._loop.create_future()
        self._function = function
        self._unwanted = unwanted
        self._ended = ended
        self._context = contextvars.copy_context()
        self._lock = threading.Lock()
        self._over = False
        self._began = self._loop.time()
        self._thread = threading.Thread(target=self._run, name="safechat-call", daemon=True)
        self._thread.start()

    async def result(self, seconds: float) -> T:
        try:
            return await self._future
        except asyncio.CancelledError:
            if not self._over and seconds < math.inf:
                self._loop.call_at(self._began + seconds + _EVERY, self._end)
            raise

    def _run(self) -> None:
        result, raised = None, None
        try:
            try:
                result = self._context.run(self._function)
            finally:
                with self._lock:
                    self._over = True  # nothing is raised in this thread from here on
        except BaseException as exception:
            raised = exception
        try:
            self._loop.call_soon_threadsafe(self._settle, result, raised)
        except RuntimeError:
            if not self._loop.is_closed():
                raise

    def _settle(self, result: T | None, exception: BaseException | None) -> None:
        self._ended()
        future = self._future
        if future.done():
            if self._unwanted is not None and exception is None:
                self._unwanted(cast(T, result))
        elif exception is None:
            future.set_result(cast(T, result))
        elif isinstance(exception, StopIteration):  # a future refuses to hold one
            future.set_exception(RuntimeError(f"StopIteration: {exception}"))
        else:
            future.set_exception(exception)

    def _end(self) -> None:
        """Raise Abandoned in the thread, again and again, for it may be caught there.

        Under the lock: the number of a thread that is over may be that of another one by now.
        """
        if self._lock.acquire(blocking=False):
            try:
                if self._over:
                    return
                ident = ctypes.c_ulong(self._thread.ident or 0)
                ctypes.pythonapi.PyThreadState_SetAsyncExc(ident, ctypes.py_object(Abandoned))
            finally:
                self._lock.release()
        if not self._over:
            self._loop.call_later(_EVERY, self._end)
