"""The inside of a ChatQueue: a bounded queue of jobs, and the workers that do them.

Both live in the wrapper's event loop; only futures leave it. Nobody polls: a job
that ends starts the next one, and room wakes a submitter. Not here: how fast
calls may go (limits/).
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections.abc import Iterable
from contextlib import suppress
from contextvars import Context, copy_context
from dataclasses import dataclass, field
from functools import partial
from typing import Generic, TypeVar

from safechat.checks import check_count, check_int
from safechat.client.dispatch import Call
from safechat.errors import QueueFull
from safechat.layers import Layers
from safechat.log.gauges import Reading, show
from safechat.log.layer import log_cancelled
from safechat.messages import ChatReply
from safechat.runtime import clock
from safechat.runtime.inbox import Inbox
from safechat.runtime.loop import contained

T = TypeVar("T")

_FEW = 64  # removed items that a heap may always hold
_MOST_AT_ONCE = 200  # jobs to cancel before the loop gets to its other work


class WaitingItems(Generic[T]):
    """What waits in a BoundedQueue, in its order, and its room: for `maxsize` items.

    The lowest priority number is first; within one number, the first come. `remove` does not search for its
    item: that leaves the heap later (lazy deletion).
    """

    def __init__(self, maxsize: int) -> None:
        self._maxsize = maxsize
        self._room = asyncio.Semaphore(maxsize)
        self._numbers = itertools.count()
        self._heap: list[tuple[int, int, T]] = []
        self._waiting: set[T] = set()

    def add(self, item: T, priority: int) -> None:
        """Put the item into the order. Room for it was taken before."""
        self._waiting.add(item)
        heapq.heappush(self._heap, (priority, next(self._numbers), item))

    def pop(self) -> T | None:
        """Take the next item out of the order; None where nothing waits. Its room stays taken."""
        while self._heap:
            item = heapq.heappop(self._heap)[2]
            if item in self._waiting:
                self._waiting.remove(item)
                return item
        return None

    def remove(self, item: T) -> bool:
        """Free the room of `item`; False where it does not wait here."""
        if item not in self._waiting:
            return False
        self._waiting.remove(item)
        self._room.release()
        self._heap = tidied(self._heap, self._waiting)
        return True

    def __len__(self) -> int:
        return len(self._waiting)


class BoundedQueue(WaitingItems[T]):
    """Who puts an item in waits for room, and who takes one out makes room: backpressure.

    For one event loop. An item is hashable, and is put in once.
    """

    async def put(self, item: T, priority: int = 0, *, wait: bool = True) -> None:
        """Wait for room, first come, first served.

        Without `wait`, raise QueueFull where there is none.
        """
        if not wait and self._room.locked():
            raise QueueFull(f"the queue holds its {self._maxsize} calls; wait with submit, or try later")
        await self._room.acquire()
        self.add(item, priority)

    def get(self) -> T | None:
        """Take out the next item, and make room; None where nothing waits."""
        item = self.pop()
        if item is not None:
            self._room.release()
        return item


def tidied(heap: list[tuple[int, int, T]], waiting: set[T]) -> list[tuple[int, int, T]]:
    """`heap`, without its removed items once they are a quarter of it: so removing stays cheap on average,
    and the next item is never far."""
    if len(heap) <= len(waiting) * 4 // 3 + _FEW:
        return heap
    kept = [entry for entry in heap if entry[2] in waiting]
    heapq.heapify(kept)
    return kept


@dataclass(frozen=True, slots=True)
class QueueStats:
    """Calls at this moment (`waiting`, `running`), and since the start (the others)."""

    waiting: int
    running: int
    answered: int
    failed: int
    cancelled: int


@dataclass(eq=False, slots=True)
class Job:
    """A call to make, with the context variables of its maker, and the future of its reply in their loop.

    `placed` is when it got its place, on the wrapper's loop's clock. `timer` ends it at its deadline, as
    long as it waits.
    """

    call: Call
    future: asyncio.Future[ChatReply]
    context: Context = field(default_factory=copy_context)
    placed: float = 0.0
    timer: asyncio.TimerHandle | None = None
    task: asyncio.Task[None] | None = None

    async def answer(self, layers: Layers) -> ChatReply:
        """The call, in what is left of its deadline."""
        return await self.call.answer(layers, self.placed)

    def settle(self, result: ChatReply | BaseException | None) -> None:
        """From any thread: give the future its result, or cancel it (None), unless it is done."""
        if self.future.done():
            return
        with suppress(RuntimeError):  # the maker's loop has ended
            self.future.get_loop().call_soon_threadsafe(_settle, self.future, result)


def _settle(future: asyncio.Future[ChatReply], result: ChatReply | BaseException | None) -> None:
    if future.done():
        return
    if result is None:
        future.cancel()
    elif isinstance(result, ChatReply):
        future.set_result(result)
    else:
        future.set_exception(result)


class Workers:
    """Do `count` jobs at once, while `maxsize` more wait."""

    def __init__(self, maxsize: int, count: int) -> None:
        self._maxsize = check_count("maxsize", maxsize)
        self._count = check_count("workers", count)
        self._is_open = False
        self._running: set[Job] = set()
        self._answered = self._failed = self._cancelled = 0
        show(self)

    async def start(self, layers: Layers) -> None:
        """Begin. All but `cancelled` and `stats` is called in the loop of this call."""
        self._layers = layers
        self._loop = asyncio.get_running_loop()
        self._queue: BoundedQueue[Job] = BoundedQueue(self._maxsize)
        self._inbox: Inbox[Job] = Inbox(self._loop, self._drop)
        self._idle = asyncio.Event()
        self._idle.set()
        self._is_open = True
        self._detach = layers.attach(self.stop)

    async def put(self, job: Job, priority: int = 0, *, wait: bool = True) -> None:
        """Wait for room and queue `job`; without `wait`, raise QueueFull where there is none.

        From now on the job's deadline runs.
        """
        self._check_open()
        await self._queue.put(job, check_int("priority", priority), wait=wait)
        if not self._is_open:
            self._queue.remove(job)  # its room is for the next submitter, who then learns the same
        self._check_open()
        self._idle.clear()
        job.placed = clock.now()
        if job.call.deadline != float("inf"):
            job.timer = self._loop.call_at(job.placed + job.call.deadline, self._expire, job)
        self._start_next()

    def cancelled(self, job: Job) -> None:
        """From any thread: the future of `job` was cancelled."""
        if self._is_open:
            self._inbox.put(job)

    async def drain(self) -> None:
        """Wait until nothing waits and nothing runs."""
        self._check_open()
        await self._idle.wait()

    async def stop(self) -> None:
        """Cancel all that waits or runs; returns when it has ended."""
        if self._loop is not asyncio.get_running_loop():
            return  # in the child of a fork: the calls are the parent's
        self._is_open = False
        self._detach()
        for job in self._running:
            self._cancel(job)
        while (waiting := self._queue.get()) is not None:
            self._cancel(waiting)
            if len(self._queue) % _MOST_AT_ONCE == 0:
                await asyncio.sleep(0)
        self._check_idle()
        await self._idle.wait()

    def stats(self) -> QueueStats:
        waiting = len(self._queue) if self._is_open else 0
        return QueueStats(waiting, len(self._running), self._answered, self._failed, self._cancelled)

    def readings(self) -> Iterable[Reading]:
        """How many calls wait. Nothing before the start and after the end."""
        return [("queue.waiting", "", len(self._queue))] if self._is_open else []

    def _check_open(self) -> None:
        if not self._is_open:
            raise RuntimeError("the queue is not open: use it inside `async with ChatQueue(…) as queue`")
        if self._loop is not asyncio.get_running_loop():
            raise RuntimeError("this queue belongs to the parent process: open another one after a fork")

    def _start_next(self) -> None:
        while self._is_open and len(self._running) < self._count:
            if (job := self._queue.get()) is None:
                return
            self._begin(job)

    def _begin(self, job: Job) -> None:
        _stop_timer(job)
        self._running.add(job)
        job.task = self._loop.create_task(self._run(job), context=job.context)
        job.task.add_done_callback(partial(self._ended, job))

    async def _run(self, job: Job) -> None:
        outcome = await contained(job.answer, self._layers)
        if job.future.cancelled():
            return
        try:
            reply = outcome.value()
        except BaseException as error:
            self._failed += 1
            job.settle(error)
        else:
            self._answered += 1
            job.settle(reply)

    def _ended(self, job: Job, task: asyncio.Task[None]) -> None:
        self._running.remove(job)
        if task.cancelled():
            job.settle(None)
        self._start_next()
        self._check_idle()

    def _drop(self, job: Job) -> None:
        """Cancel `job`, if it waits or runs."""
        if self._queue.remove(job) or job in self._running:
            self._cancel(job)
            self._check_idle()

    def _cancel(self, job: Job) -> None:
        """Cancel `job`, which runs, or has just been taken out of the queue."""
        self._cancelled += 1
        _stop_timer(job)
        if job.task is not None:
            job.task.cancel()
        else:
            job.context.run(log_cancelled, job.call.request, clock.now() - job.placed)
            job.settle(None)

    def _expire(self, job: Job) -> None:
        """End a job whose deadline has come before its turn: the layers refuse it, and log it."""
        if self._queue.remove(job):
            self._begin(job)

    def _check_idle(self) -> None:
        if not self._running and not len(self._queue):
            self._idle.set()


def _stop_timer(job: Job) -> None:
    if job.timer is not None:
        job.timer.cancel()
        job.timer = None
