"""The wrapper's own event loop, in its own thread.

One loop for all callers means one limiter, one connection pool and one breaker,
whoever calls, from whichever thread or loop. It starts at the first call, ends
at `close`, at the program's end, or with the wrapper; after a fork the child
starts another. Context variables and cancellation cross the hop (about
50 µs). What belongs to a loop (limiter, connections) is built in it, and anew
after a fork. Not here: what is built (layers.py).
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import CancelledError, Future
from contextlib import suppress
from contextvars import Context, copy_context
from typing import Any, Generic, Protocol, TypeVar, cast

import anyio
from anyio.from_thread import BlockingPortal

from safechat.runtime.inbox import inbox_here
from safechat.runtime.process import begin_anew_after_fork, result_of, stop_at_exit

T = TypeVar("T")
A = TypeVar("A")

_LONGEST_START = 30.0  # seconds; under gevent a thread may never get its turn


class Resident(Protocol):
    """What lives in the loop."""

    async def aclose(self) -> None:
        """Called in the loop, before it ends."""


R = TypeVar("R", bound=Resident)


class OwnLoop(Generic[R]):
    """Runs async functions in one background event loop; each is given what `build` made in it."""

    def __init__(self, build: Callable[[], R]) -> None:
        self._build = build
        self._closed = False
        self.begin()
        begin_anew_after_fork(self)
        stop_at_exit(self)

    def begin(self) -> None:
        """Also in the child of a fork, where the parent's thread does not exist and its lock may be held."""
        self._lock = threading.Lock()
        self._running: _Running[R] | None = None

    def run(self, function: Callable[[R], Awaitable[T]]) -> T:
        """`await function(resident)`, from a thread; an interrupt of the caller cancels it."""
        running = self._started()
        self.check_elsewhere()
        future: Future[Outcome[T]] = Future()
        visit = Visit(running, function, future.set_result)
        try:
            return result_of(future).value()
        except BaseException:
            visit.cancel()
            raise

    def start(
        self, function: Callable[[R], Awaitable[T]], return_with: Callable[[Outcome[T]], object]
    ) -> Visit[T]:
        """Begin `await function(resident)`. `return_with` is called once with its outcome, in the loop."""
        return Visit(self._started(), function, return_with)

    def check_elsewhere(self) -> None:
        """Raise RuntimeError in this loop: it would wait for itself."""
        if self.is_current():
            raise RuntimeError(
                "this would wait for itself: it was called in the wrapper's own event loop; "
                "use the async method there"
            )

    async def run_async(self, function: Callable[[R], Awaitable[T]]) -> T:
        """The same from another event loop; cancelling the caller cancels it, and waits until it is."""
        running = self._started()
        if self.is_current():
            return await function(running.resident)
        if not runs_asyncio():
            return await self._run_elsewhere(running, function)
        inbox = inbox_here()
        future: asyncio.Future[Outcome[T]] = asyncio.get_running_loop().create_future()
        ended = asyncio.Event()

        def arrive(outcome: Outcome[T]) -> None:
            ended.set()
            if not future.done():
                future.set_result(outcome)

        def return_with(outcome: Outcome[T]) -> None:
            inbox.put(lambda: arrive(outcome))

        visit = Visit(running, function, return_with)
        try:
            outcome = await future
        except asyncio.CancelledError:
            visit.cancel()
            with anyio.CancelScope(shield=True):
                await ended.wait()
            raise
        return outcome.value()

    async def _run_elsewhere(self, running: _Running[R], function: Callable[[R], Awaitable[T]]) -> T:
        """From an event loop that is not asyncio's."""
        try:
            outcome: Outcome[T] = await running.portal.call_async(contained, function, running.resident)
            return outcome.value()
        except CancelledError:
            raise _closed() from None

    @property
    def closed(self) -> bool:
        return self._closed

    def is_current(self) -> bool:
        """Whether the caller runs in this loop."""
        running = self._running
        return running is not None and threading.get_ident() == running.thread.ident

    def close(self, wait: bool = True) -> None:
        """End the loop. Calls under way are cancelled. Closing twice is no error."""
        running = self._end()
        if wait and running is not None:
            running.join()

    async def aclose(self) -> None:
        """`close` from another event loop. The end begins at once, however often the caller is cancelled."""
        if (running := self._end()) is not None:
            await anyio.to_thread.run_sync(running.join)

    def stop(self) -> None:
        """`close`, at the program's end."""
        self.close()

    def _end(self) -> _Running[R] | None:
        with self._lock:
            self._closed = True
            running, self._running = self._running, None
        if running is not None:
            running.stop()
        return running

    def _started(self) -> _Running[R]:
        with self._lock:
            if self._closed:
                raise RuntimeError("this client is closed")
            if self._running is None:
                self._running = _Running(self._build)
            return self._running


class _Running(Generic[R]):
    """A thread, the event loop in it, the portal into that, and its resident.

    Where the thread, its loop or the resident cannot be had (no file descriptor is left), the constructor
    raises what went wrong.
    """

    def __init__(self, build: Callable[[], R]) -> None:
        started: Future[tuple[BlockingPortal, R]] = Future()
        self._stop = asyncio.Event()
        self._is_over = False
        self.visits: set[asyncio.Task[Any]] = set()

        async def serve() -> None:
            self.loop = asyncio.get_running_loop()
            resident = build()
            self.inbox = inbox_here()
            if not started.set_running_or_notify_cancel():
                return  # nobody waits for it any more
            async with BlockingPortal() as portal:
                started.set_result((portal, resident))
                await self._stop.wait()
                await portal.stop(cancel_remaining=True)
            await self._end_visits()
            await resident.aclose()
            self._is_over = True

        def run() -> None:
            try:
                anyio.run(serve)
            except BaseException as exception:
                if not started.done():
                    started.set_exception(exception)
                elif not self._is_over:
                    raise
                # Else asyncio wanted a thread that waits for its pool's. Python 3.12 starts none at the end.

        # In a new context: the loop must not live in that of its first caller.
        self.thread = threading.Thread(target=Context().run, args=(run,), name="safechat-loop", daemon=True)
        self.thread.start()
        try:
            self.portal, self.resident = started.result(_LONGEST_START)
        except BaseException as exception:
            if started.cancel() and isinstance(exception, TimeoutError):
                raise RuntimeError(
                    f"the client's event loop did not start within {_LONGEST_START:g} s: "
                    "its thread does not run"
                ) from None
            started.add_done_callback(self._stop_unwanted)
            raise

    def _stop_unwanted(self, started: Future[tuple[BlockingPortal, R]]) -> None:
        """Who started it was interrupted (Ctrl-C) and does not hold it."""
        if not started.cancelled() and started.exception() is None:
            self.stop()

    async def _end_visits(self) -> None:
        self.inbox.close()
        for task in self.visits:
            task.cancel()
        if self.visits:
            await asyncio.wait(self.visits)

    def stop(self) -> None:
        with suppress(RuntimeError):  # the loop has ended already
            self.loop.call_soon_threadsafe(self._stop.set)

    def join(self) -> None:
        """Wait until the loop has ended, which cannot be done in the loop itself."""
        if threading.current_thread() is not self.thread:
            self.thread.join()


class Visit(Generic[T]):
    """`function(resident)` in the wrapper's loop, for a caller elsewhere, with its context variables.

    `return_with` is called once with the outcome, in the wrapper's loop.
    """

    def __init__(
        self,
        running: _Running[R],
        function: Callable[[R], Awaitable[T]],
        return_with: Callable[[Outcome[T]], object],
    ) -> None:
        self._inbox = running.inbox
        loop = running.loop
        self._task: asyncio.Task[Outcome[T]] | None = None
        context = copy_context()

        def end(task: asyncio.Task[Outcome[T]]) -> None:
            running.visits.discard(task)
            return_with(Outcome(None, _closed()) if task.cancelled() else task.result())

        def begin() -> None:
            task = loop.create_task(contained(function, running.resident), context=context)
            running.visits.add(task)
            task.add_done_callback(end)
            self._task = task

        if not self._inbox.put(begin):
            raise _closed()

    def cancel(self) -> None:
        """End it, from any thread. It has an outcome all the same."""

        def cancel() -> None:
            if self._task is not None:
                self._task.cancel()

        self._inbox.put(cancel)


def _closed() -> RuntimeError:
    return RuntimeError("the client was closed while the call was under way")


def runs_asyncio() -> bool:
    """Whether an event loop of asyncio runs in this thread; not so under trio."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def check_asyncio(what: str) -> None:
    """Raise RuntimeError where no event loop of asyncio runs; `what` needs one."""
    if not runs_asyncio():
        raise RuntimeError(
            f"{what} needs an event loop of asyncio, and none is running here; elsewhere use generate_async"
        )


class Outcome(Generic[T]):
    """A result or an exception, as a value.

    An event loop dies of an exception that is no Exception (KeyboardInterrupt, SystemExit, a
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


async def contained(function: Callable[[A], Awaitable[T]], argument: A) -> Outcome[T]:
    """The outcome of `function(argument)`; only its cancellation is raised."""
    try:
        return Outcome(await function(argument))
    except asyncio.CancelledError:
        raise
    except BaseException as exception:
        return Outcome(None, exception)
