"""The inside of a queue of calls: a heap of waiting jobs, and the tasks that work them off.

Lives in the wrapper's event loop; only futures leave it. Nobody polls: a job
wakes a worker, room wakes a submitter.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from safechat.errors import QueueFull
from safechat.loop import contained
from safechat.messages import ChatReply

R = TypeVar("R")

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

    def __lt__(self, other: _Entry[R]) -> bool:
        return (self.priority, self.number) < (other.priority, other.number)


class Workers(Generic[R]):
    """`workers` jobs at once, `maxsize` more waiting. Jobs get what `start` was given."""

    def __init__(self, maxsize: int, workers: int) -> None:
        for name, value in (("maxsize", maxsize), ("workers", workers)):
            if isinstance(value, bool) or not isinstance(value, int):
                raise TypeError(f"{name} must be an int, not {type(value).__name__}: {value!r}")
            if value < 1:
                raise ValueError(f"{name} must be at least 1, not {value!r}")
        self._maxsize = maxsize
        self._count = workers
        self._heap: list[_Entry[R]] = []
        self._numbers = itertools.count()
        self._running: set[_Entry[R]] = set()
        self._tasks: list[asyncio.Task[None]] = []
        self._answered = self._failed = self._cancelled = 0

    async def start(self, resident: R) -> None:
        """Begin. In the loop where everything else here is called too."""
        self._loop = asyncio.get_running_loop()
        self._room = asyncio.Semaphore(self._maxsize)
        self._jobs = asyncio.Semaphore(0)
        self._idle = asyncio.Event()
        self._idle.set()
        self._tasks = [self._loop.create_task(self._work(resident)) for _ in range(self._count)]

    async def put(self, job: Job[R], priority: int = 0, *, wait: bool = True) -> Future[ChatReply]:
        """Wait for room and queue `job`; without `wait`, raise QueueFull when there is none."""
        if not self._tasks:
            raise RuntimeError("the queue is not open: use it inside `async with ChatQueue(…) as queue`")
        if not wait and self._room.locked():
            raise QueueFull(f"the queue holds its {self._maxsize} calls; wait with submit, or try later")
        await self._room.acquire()
        entry = _Entry(priority, next(self._numbers), job)
        entry.future.add_done_callback(lambda future: self._told(entry, future))
        heapq.heappush(self._heap, entry)
        self._idle.clear()
        self._jobs.release()
        return entry.future

    async def drain(self) -> None:
        """Wait until nothing waits and nothing runs."""
        await self._idle.wait()

    async def stop(self) -> None:
        """Cancel all that waits or runs, and the workers."""
        tasks, self._tasks = self._tasks, []
        for entry in [*self._heap, *self._running]:
            entry.future.cancel()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def stats(self) -> QueueStats:
        return QueueStats(len(self._heap), len(self._running), self._answered, self._failed, self._cancelled)

    async def _work(self, resident: R) -> None:
        while True:
            await self._jobs.acquire()
            if not self._heap:
                continue  # its job was cancelled
            entry = heapq.heappop(self._heap)
            self._room.release()
            self._running.add(entry)
            entry.task = self._loop.create_task(self._run(entry, resident))
            try:
                await asyncio.wait([entry.task])
            finally:
                entry.task.cancel()
                entry.future.cancel()  # nothing happens to one that has its result
                self._running.discard(entry)
                self._rest()

    async def _run(self, entry: _Entry[R], resident: R) -> None:
        outcome = await contained(entry.job, resident)
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

    def _told(self, entry: _Entry[R], future: Future[ChatReply]) -> None:
        """From any thread: the future was cancelled, or has its result."""
        if future.cancelled():
            with suppress(RuntimeError):  # the loop has ended, and all with it
                self._loop.call_soon_threadsafe(self._drop, entry)

    def _drop(self, entry: _Entry[R]) -> None:
        self._cancelled += 1
        if entry.task is not None:
            entry.task.cancel()
        elif entry in self._heap:
            self._heap.remove(entry)
            heapq.heapify(self._heap)
            self._room.release()
            self._rest()

    def _rest(self) -> None:
        if not self._heap and not self._running:
            self._idle.set()
