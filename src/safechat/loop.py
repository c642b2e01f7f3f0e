"""The wrapper's own event loop, on a thread of its own.

One loop for all callers means one limiter, one connection pool and one breaker,
whoever calls, from whichever thread or loop. It starts at the first call, ends
at `close`, at the program's end, or with the wrapper; after a fork the child
starts one of its own. Context variables and cancellation cross the hop (about
50 µs). Not here: what runs in the loop.
"""

from __future__ import annotations

import asyncio
import atexit
import os
import threading
import weakref
from collections.abc import Awaitable, Callable
from concurrent.futures import CancelledError, Future
from contextvars import Context
from typing import Generic, TypeVar, cast

import anyio
from anyio.from_thread import BlockingPortal

T = TypeVar("T")

Cleanup = Callable[[], Awaitable[None]]


class OwnLoop:
    """Runs async functions in one background event loop. `cleanup` runs in it as its last act."""

    def __init__(self, cleanup: Cleanup) -> None:
        self._cleanup = cleanup
        self._closed = False
        self._begin()
        _all_loops.add(self)

    def _begin(self) -> None:
        """Also in the child of a fork, where the parent's thread does not exist and its lock may be held."""
        self._lock = threading.Lock()
        self._running: _Running | None = None

    def run(self, function: Callable[..., Awaitable[T]], *args: object) -> T:
        """`await function(*args)`, from a thread; an interrupt of the caller cancels it."""
        portal = self._portal()
        if self.is_current():
            raise RuntimeError(
                "this would wait for itself: it was called in the wrapper's own event loop; "
                "use the async method there"
            )
        future: Future[_Outcome[T]] = portal.start_task_soon(_contained, function, args)
        try:
            return future.result().value()
        except CancelledError:
            raise RuntimeError("the client was closed while the call was under way") from None
        except BaseException:
            future.cancel()
            raise

    async def run_async(self, function: Callable[..., Awaitable[T]], *args: object) -> T:
        """The same from another event loop; cancelling the caller cancels it, and waits until it is."""
        portal = self._portal()
        if self.is_current():
            return await function(*args)
        try:
            outcome: _Outcome[T] = await portal.call_async(_contained, function, args)
            return outcome.value()
        except CancelledError:
            raise RuntimeError("the client was closed while the call was under way") from None

    def is_current(self) -> bool:
        """Whether the caller runs in this loop."""
        running = self._running
        return running is not None and threading.get_ident() == running.thread.ident

    def close(self, wait: bool = True) -> None:
        """End the loop. Calls under way are cancelled. Closing twice is no error."""
        with self._lock:
            self._closed = True
            running, self._running = self._running, None
        if running is not None:
            running.stop(wait)

    def _portal(self) -> BlockingPortal:
        with self._lock:
            if self._closed:
                raise RuntimeError("this client is closed")
            if self._running is None:
                self._running = _Running(self._cleanup)
            return self._running.portal


class _Running:
    """A thread, the event loop in it, and the portal into that."""

    def __init__(self, cleanup: Cleanup) -> None:
        started: Future[BlockingPortal] = Future()
        self._stop = asyncio.Event()

        async def serve() -> None:
            self._loop = asyncio.get_running_loop()
            async with BlockingPortal() as portal:
                started.set_result(portal)
                await self._stop.wait()
                await portal.stop(cancel_remaining=True)
            await cleanup()

        # A context of its own: the loop must not live in that of its first caller.
        self.thread = threading.Thread(
            target=Context().run, args=(anyio.run, serve), name="safechat-loop", daemon=True
        )
        self.thread.start()
        self.portal = started.result()

    def stop(self, wait: bool) -> None:
        try:
            self._loop.call_soon_threadsafe(self._stop.set)
        except RuntimeError:
            return  # the loop has ended already
        if wait and threading.current_thread() is not self.thread:
            self.thread.join()


class _Outcome(Generic[T]):
    """A result or an exception, as a value.

    A portal dies of an exception that is no Exception (KeyboardInterrupt, a
    test's own failure). Carried as a value it reaches its caller and harms nobody else.
    """

    def __init__(self, result: T | None, raised: BaseException | None = None) -> None:
        self._result = result
        self._raised = raised

    def value(self) -> T:
        raised, self._raised = self._raised, None
        if raised is not None:
            try:
                raise raised
            finally:
                del raised  # a frame that holds its own exception is a cycle
        return cast(T, self._result)


async def _contained(function: Callable[..., Awaitable[T]], args: tuple[object, ...]) -> _Outcome[T]:
    try:
        return _Outcome(await function(*args))
    except asyncio.CancelledError:
        raise
    except BaseException as exception:
        return _Outcome(None, exception)


_all_loops: weakref.WeakSet[OwnLoop] = weakref.WeakSet()


def _after_fork() -> None:
    for loop in _all_loops:
        loop._begin()


def _at_exit() -> None:
    for loop in list(_all_loops):
        loop.close()


atexit.register(_at_exit)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
