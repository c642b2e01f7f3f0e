"""The inside of a ChatQueue: a bounded queue of jobs, and the workers that do them.

Both live in the wrapper's event loop; only futures leave it. Nobody polls: a job
that ends starts the next one, and room wakes a submitter. Not here: how fast
calls may go (limits/).
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
from concurrent.futures import Future
from contextvars import Context, copy_context
from dataclasses import dataclass, field
from functools import partial
from typing import Generic, TypeVar

from safechat.checks import check_count
from safechat.client.dispatch import Call
from safechat.errors import DeadlineExceeded, QueueFull
from safechat.layers import Layers
from safechat.messages import ChatReply
from safechat.runtime import clock
from safechat.runtime.inbox import Inbox
from safechat.runtime.loop import contained

T = TypeVar("T")

_FEW = 64  # removed items in a heap that are not worth a look
_MOST_AT_ONCE = 200  # jobs to cancel before the loop gets to its other work


class BoundedQueue(Generic[T]):
    """At most `maxsize` items wait. The lowest priority number is next; within one number, the first come.

    For one event loop; an item is put in once. `remove` does not search: it frees the item's room, and the
    item leaves the heap later (lazy deletion), with many others or when its turn comes.
    """

    def __init__(self, maxsize: int) -> None:
        self._maxsize = maxsize
        self._room = asyncio.Semaphore(maxsize)
        self._numbers = itertools.count()
        self._heap: list[tuple[int, int, T]] = []
        self._waiting: set[T] = set()

    async def put(self, item: T, priority: int = 0, *, wait: bool = True) -> None:
        """Wait for room, first come, first served; without `wait`, raise QueueFull where there is none."""
        if not wait and self._room.locked():
            raise QueueFull(f"the queue holds its {self._maxsize} calls; wait with submit, or try later")
        await self._room.acquire()
        self._waiting.add(item)
        heapq.heappush(self._heap, (priority, next(self._numbers), item))

    def get(self) -> T | None:
        """Take out the next item; None where nothing waits."""
        while self._heap:
            *_, item = heapq.heappop(self._heap)
            if self.remove(item):
                return item
        return None

    def remove(self, item: T) -> bool:
        """Free the room of `item`; False where it does not wait here."""
        if item not in self._waiting:
            return False
        self._waiting.remove(item)
        self._room.release()
        if len(self._heap) > 2 * len(self._waiting) + _FEW:
            self._heap = only_waiting(self._heap, self._waiting)
        return True

    def __len__(self) -> int:
        return len(self._waiting)


def only_waiting(heap: list[tuple[int, int, T]], waiting: set[T]) -> list[tuple[int, int, T]]:
    """`heap` without the items that were removed from it."""
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
    """A call to make, and the future of its reply. It runs with the context variables of its maker.

    `deadline` is a moment on the loop's clock. `timer` ends the job at that moment, as long as it waits.
    """

    call: Call
    future: Future[ChatReply] = field(default_factory=Future)
    context: Context = field(default_factory=copy_context)
    deadline: float = float("inf")
    timer: asyncio.TimerHandle | None = None
    task: asyncio.Task[None] | None = None

    async def answer(self, layers: Layers) -> ChatReply:
        """The call, in what is left of its deadline."""
        return await layers.answer(self.call.request, self.deadline - clock.now())


class Workers:
    """Do `count` jobs at once, while `maxsize` more wait."""

    def __init__(self, maxsize: int, count: int) -> None:
        self._maxsize = check_count("maxsize", maxsize)
        self._count = check_count("workers", count)
        self._is_open = False
        self._running: set[Job] = set()
        self._answered = self._failed = self._cancelled = 0

    async def start(self, layers: Layers) -> None:
        """Begin. Everything else here is called in the loop of this call, too."""
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
        if isinstance(priority, bool) or not isinstance(priority, int):
            raise TypeError(f"priority must be an int, not {type(priority).__name__}: {priority!r}")
        await self._queue.put(job, priority, wait=wait)
        if not self._is_open:
            self._queue.remove(job)  # its room is for the next submitter, who then learns the same
        self._check_open()
        self._idle.clear()
        job.deadline = clock.now() + job.call.deadline
        if job.call.deadline != float("inf"):
            job.timer = self._loop.call_at(job.deadline, self._expire, job)
        job.future.add_done_callback(partial(self._cancelled_outside, job))
        self._start_next()

    async def drain(self) -> None:
        """Wait until nothing waits and nothing runs."""
        await self._idle.wait()

    async def stop(self) -> None:
        """Cancel all that waits or runs; returns when it has ended."""
        self._is_open = False
        self._detach()
        for job in self._running:
            job.future.cancel()
        while (waiting := self._queue.get()) is not None:
            self._leaves_the_queue(waiting)
            self._cancelled += waiting.future.cancel()
            if len(self._queue) % _MOST_AT_ONCE == 0:
                await asyncio.sleep(0)
        self._check_idle()
        await self._idle.wait()

    def stats(self) -> QueueStats:
        waiting = len(self._queue) if self._is_open else 0
        return QueueStats(waiting, len(self._running), self._answered, self._failed, self._cancelled)

    def _check_open(self) -> None:
        if not self._is_open:
            raise RuntimeError("the queue is not open: use it inside `async with ChatQueue(…) as queue`")

    def _start_next(self) -> None:
        while self._is_open and len(self._running) < self._count:
            if (job := self._queue.get()) is None:
                return
            self._leaves_the_queue(job)
            self._running.add(job)
            job.task = self._loop.create_task(self._run(job), context=job.context)
            job.task.add_done_callback(partial(self._ended, job))

    async def _run(self, job: Job) -> None:
        outcome = await contained(job.answer, self._layers)
        if not job.future.set_running_or_notify_cancel():
            return
        try:
            reply = outcome.value()
        except BaseException as error:
            self._failed += 1
            job.future.set_exception(error)
        else:
            self._answered += 1
            job.future.set_result(reply)

    def _ended(self, job: Job, _: asyncio.Task[None]) -> None:
        self._running.remove(job)
        job.future.cancel()  # nothing happens to one that has its result
        self._start_next()
        self._check_idle()

    def _cancelled_outside(self, job: Job, future: Future[ChatReply]) -> None:
        """Called in any thread, when the future is cancelled or has its result."""
        if future.cancelled():
            self._inbox.put(job)

    def _drop(self, job: Job) -> None:
        """End a job whose future was cancelled."""
        if self._queue.remove(job):
            self._cancelled += 1
            self._leaves_the_queue(job)
            self._check_idle()
        elif job in self._running and job.task is not None:
            self._cancelled += 1
            job.task.cancel()

    def _expire(self, job: Job) -> None:
        """End a job whose deadline has come before its turn."""
        if self._queue.remove(job) and job.future.set_running_or_notify_cancel():
            self._failed += 1
            job.future.set_exception(_waited_too_long(job.call))
        self._check_idle()

    def _leaves_the_queue(self, job: Job) -> None:
        if job.timer is not None:
            job.timer.cancel()
            job.timer = None

    def _check_idle(self) -> None:
        if not self._running and not len(self._queue):
            self._idle.set()


def _waited_too_long(call: Call) -> DeadlineExceeded:
    model = call.request.model
    return DeadlineExceeded(
        f"{model}: the call waited in the queue until its deadline of {call.deadline:.3g} s",
        model=model,
        attempts=0,
        sent=False,
    )
