"""The inside of a queue of calls: a heap of waiting jobs, and the tasks that do them.

Lives in the wrapper's event loop; only futures leave it. Nobody polls: a job that
ends starts the next one, room wakes a submitter.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from contextlib import suppress
from contextvars import Context, copy_context
from dataclasses import dataclass, field
from functools import partial
from typing import Generic, Protocol, TypeVar

from safechat.checks import check_count
from safechat.errors import QueueFull
from safechat.layers import Stop
from safechat.messages import ChatReply
from safechat.runtime.loop import contained


class Host(Protocol):
    """What the jobs get, and what stops the workers when it ends."""

    def attach(self, stop: Stop) -> Callable[[], None]:
        """Call `stop` before the end, unless what is returned was called before."""


R = TypeVar("R", bound=Host)

Job = Callable[[R], Awaitable[ChatReply]]


@dataclass(frozen=True, slots=True)
class QueueStats:
    """Calls at this moment (`waiting`, `running`), and since the start (the others)."""

    waiting: int
    running: int
    answered: int
    failed: int
    cancelled: int


@dataclass(eq=False, slots=True)
class _Entry(Generic[R]):
    priority: int
    number: int
    job: Job[R]
    future: Future[ChatReply] = field(default_factory=Future)
    task: asyncio.Task[None] | None = None
    takes_room: bool = True
    context: Context = field(default_factory=copy_context)  # the submitter's own

    def __lt__(self, other: _Entry[R]) -> bool:
        return (self.priority, self.number) < (other.priority, other.number)


class Workers(Generic[R]):
    """`workers` jobs at once, `maxsize` more waiting. Jobs get what `start` was given."""

    def __init__(self, maxsize: int, workers: int) -> None:
        check_count("maxsize", maxsize)
        check_count("workers", workers)
        self._maxsize = maxsize
        self._count = workers
        self._open = False
        self._heap: list[_Entry[R]] = []
        self._numbers = itertools.count()
        self._entries: dict[int, _Entry[R]] = {}  # all that wait or run
        self._running = 0
        self._answered = self._failed = self._cancelled = 0

    async def start(self, resident: R) -> None:
        """Begin. In the loop where everything else here is called too, but for `post`."""
        self._resident = resident
        self._loop = asyncio.get_running_loop()
        self._room = asyncio.Semaphore(self._maxsize)
        self._idle = asyncio.Event()
        self._idle.set()
        self._open = True
        self._detach = resident.attach(self.stop)

    async def put(self, job: Job[R], priority: int = 0, *, wait: bool = True) -> Future[ChatReply]:
        """Wait for room and queue `job`; without `wait`, raise QueueFull when there is none."""
        self._check_open()
        if isinstance(priority, bool) or not isinstance(priority, int):
            raise TypeError(f"priority must be an int, not {type(priority).__name__}: {priority!r}")
        if not wait and self._room.locked():
            raise QueueFull(f"the queue holds its {self._maxsize} calls; wait with submit, or try later")
        await self._room.acquire()
        if not self._open:
            self._room.release()  # for the next one to be told
        self._check_open()
        entry = _Entry(priority, next(self._numbers), job)
        self._add(entry)
        return entry.future

    def post(self, job: Job[R]) -> Future[ChatReply]:
        """Queue `job` from any thread, without waiting. The caller sees to it that there is room."""
        self._check_open()
        entry = _Entry(0, next(self._numbers), job, takes_room=False)
        self._loop.call_soon_threadsafe(self._add_posted, entry)
        return entry.future

    async def drain(self) -> None:
        """Wait until nothing waits and nothing runs."""
        await self._idle.wait()

    async def stop(self) -> None:
        """Cancel all that waits or runs; returns when it has ended."""
        self._open = False
        self._detach()
        for entry in list(self._entries.values()):
            entry.future.cancel()
        await self._idle.wait()

    def stats(self) -> QueueStats:
        return QueueStats(len(self._heap), self._running, self._answered, self._failed, self._cancelled)

    def _check_open(self) -> None:
        if not self._open:
            raise RuntimeError("the queue is not open: use it inside `async with ChatQueue(…) as queue`")

    def _add_posted(self, entry: _Entry[R]) -> None:
        if self._open:
            self._add(entry)
        else:
            entry.future.cancel()

    def _add(self, entry: _Entry[R]) -> None:
        self._entries[entry.number] = entry
        entry.future.add_done_callback(partial(self._told, entry.number))
        heapq.heappush(self._heap, entry)
        self._idle.clear()
        self._start_next()

    def _start_next(self) -> None:
        while self._open and self._heap and self._running < self._count:
            entry = heapq.heappop(self._heap)
            self._left_the_heap(entry)
            self._running += 1
            entry.task = self._loop.create_task(self._run(entry), context=entry.context)
            entry.task.add_done_callback(partial(self._ended, entry))

    async def _run(self, entry: _Entry[R]) -> None:
        outcome = await contained(entry.job, self._resident)
        if not entry.future.set_running_or_notify_cancel():
            return
        try:
            reply = outcome.value()
        except BaseException as error:
            self._failed += 1
            entry.future.set_exception(error)
        else:
            self._answered += 1
            entry.future.set_result(reply)

    def _ended(self, entry: _Entry[R], _: asyncio.Task[None]) -> None:
        entry.future.cancel()  # nothing happens to one that has its result
        self._running -= 1
        self._gone(entry)
        self._start_next()

    def _told(self, number: int, future: Future[ChatReply]) -> None:
        """From any thread: the future was cancelled, or has its result."""
        if future.cancelled():
            with suppress(RuntimeError):  # the loop has ended, and all with it
                self._loop.call_soon_threadsafe(self._drop, number)

    def _drop(self, number: int) -> None:
        entry = self._entries.get(number)
        if entry is None:
            return
        self._cancelled += 1
        if entry.task is not None:
            entry.task.cancel()
        else:
            self._heap.remove(entry)
            heapq.heapify(self._heap)
            self._left_the_heap(entry)
            self._gone(entry)

    def _left_the_heap(self, entry: _Entry[R]) -> None:
        if entry.takes_room:
            self._room.release()

    def _gone(self, entry: _Entry[R]) -> None:
        del self._entries[entry.number]
        if not self._entries:
            self._idle.set()
