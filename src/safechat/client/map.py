"""map: many prompts, answered in order, by a bounded number of calls at once.

The prompts are pulled beside the answers (source.py), never more than twice
`workers` ahead of them, so an endless generator is fine, and a slow one holds no
answer back. Not here: a queue that many submit to (queue.py).
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Iterable, Iterator, Sized
from contextvars import Context, copy_context
from functools import partial

import anyio

from safechat.checks import check_count
from safechat.client.dispatch import Call, Dispatcher
from safechat.client.source import TaskSource, ThreadSource
from safechat.errors import ChatError, RequestRejected
from safechat.layers import Layers
from safechat.messages import ChatReply, Messages
from safechat.runtime.inbox import Inbox
from safechat.runtime.loop import Outcome, check_asyncio, contained

Progress = Callable[[int, int | None], object]
"""Called after each item with (done, total); total is None for what has no length."""

MakeCall = Callable[[Messages], Call]
GetReply = Callable[[Layers], Awaitable[ChatReply]]


class Map:
    """One pass over an iterable; iterated once, in one of the two ways."""

    def __init__(
        self,
        dispatcher: Dispatcher,
        make_call: MakeCall,
        prompts: Iterable[Messages] | AsyncIterable[Messages],
        *,
        workers: int,
        progress: Progress | None,
        raise_on_error: bool,
    ) -> None:
        if isinstance(prompts, str) or not isinstance(prompts, Iterable | AsyncIterable):
            raise TypeError(f"prompts must be an iterable of prompts, not {type(prompts).__name__}")
        self._dispatcher = dispatcher
        self._prompts = prompts
        self._total = len(prompts) if isinstance(prompts, Sized) else None
        self._calls = _OrderedCalls(make_call, check_count("workers", workers))
        self._most_ahead = 2 * workers
        self._progress = progress
        self._raise = raise_on_error
        make_call("once, so that wrong arguments raise here")
        self._done = 0

    def run(self) -> Iterator[ChatReply | ChatError]:
        if not isinstance(self._prompts, Iterable):
            raise TypeError("an asynchronous iterable of prompts is for map_async")
        self._dispatcher.run(self._calls.start)
        try:
            with self._in_a_thread(self._prompts) as source:
                while outcomes := self._dispatcher.run(self._calls.take):
                    for outcome in outcomes:
                        yield self._item(outcome)
                        source.allow_one_more()
        finally:
            if not self._dispatcher.closed:
                self._dispatcher.run(self._calls.stop)

    async def run_async(self) -> AsyncIterator[ChatReply | ChatError]:
        check_asyncio("map_async")
        await self._dispatcher.run_async(self._calls.start)
        prompts = self._prompts
        try:
            with (
                TaskSource(prompts, self._most_ahead, self._calls.add, self._calls.end)
                if isinstance(prompts, AsyncIterable)
                else self._in_a_thread(prompts)
            ) as source:
                while outcomes := await self._dispatcher.run_async(self._calls.take):
                    for outcome in outcomes:
                        yield self._item(outcome)
                        source.allow_one_more()
        finally:
            if not self._dispatcher.closed:
                with anyio.CancelScope(shield=True):
                    await self._dispatcher.run_async(self._calls.stop)

    def _in_a_thread(self, prompts: Iterable[Messages]) -> ThreadSource[Messages]:
        return ThreadSource(prompts, self._most_ahead, self._calls.add, self._calls.end)

    def _item(self, outcome: Outcome[ChatReply]) -> ChatReply | ChatError:
        item: ChatReply | ChatError
        try:
            item = outcome.value()
        except ChatError as error:
            if self._raise:
                raise
            item = error
        if isinstance(item, ChatError):
            forget_frames(item)  # outside the except block, which would hold the error as a context
        self._done += 1
        if self._progress is not None:
            self._progress(self._done, self._total)
        return item


class _OrderedCalls:
    """The calls of one map, in the wrapper's loop: `workers` at once, their outcomes in order."""

    def __init__(self, make_call: MakeCall, workers: int) -> None:
        self._make_call = make_call
        self._workers = workers

    async def start(self, layers: Layers) -> None:
        self._layers = layers
        self._loop = asyncio.get_running_loop()
        # One call begins in each round of the loop, and answers come between. Many that begin together
        # keep the garbage collector busy: their objects outlive its young generations (200 µs a call).
        self._inbox: Inbox[Callable[[], None]] = Inbox(self._loop, lambda step: step(), at_once=1)
        self._free = asyncio.Semaphore(self._workers)
        self._tasks: deque[asyncio.Task[Outcome[ChatReply]]] = deque()
        self._moved = asyncio.Event()
        self._more_come = True
        self._source_error: BaseException | None = None
        self._stopped = False
        self._detach = layers.attach(lambda: self.stop(layers))

    def add(self, prompt: Messages) -> None:
        """From any thread, whose context variables the call gets."""
        self._inbox.put(partial(self._begin, self._answer(prompt), copy_context()))

    def end(self, error: BaseException | None) -> None:
        """From any thread: no more prompts come, because of `error` if there is one."""
        self._inbox.put(partial(self._end, error))

    async def take(self, _: Layers) -> list[Outcome[ChatReply]]:
        """What has come since, in the order of the prompts; at the end nothing, or the source's error."""
        if self._loop is not asyncio.get_running_loop():
            raise RuntimeError("this map belongs to the parent process: call map again after a fork")
        while not self._tasks and self._more_come:
            self._moved.clear()
            await self._moved.wait()
        if self._tasks:
            await asyncio.wait([self._tasks[0]])
        elif self._source_error is not None:
            raise self._source_error
        outcomes = []
        while self._tasks and self._tasks[0].done():
            task = self._tasks.popleft()
            if task.cancelled():
                raise RuntimeError("the client was closed while map was under way")
            outcomes.append(task.result())
        return outcomes

    async def stop(self, _: Layers) -> None:
        """Cancel what is under way; returns when it has ended."""
        if self._loop is not asyncio.get_running_loop():
            return  # in the child of a fork: the calls are the parent's
        self._stopped = True
        self._detach()
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    def _answer(self, prompt: Messages) -> GetReply:
        """A prompt that is wrong fails like any other item, when its turn comes."""
        try:
            return self._make_call(prompt).answer
        except (TypeError, ValueError) as error:
            rejected = RequestRejected(f"not sent: {error}", attempts=0, sent=False)

        async def reject(_: Layers) -> ChatReply:
            raise rejected

        return reject

    def _begin(self, answer: GetReply, context: Context) -> None:
        if not self._stopped:
            self._tasks.append(self._loop.create_task(self._run(answer), context=context))
            self._moved.set()

    def _end(self, error: BaseException | None) -> None:
        self._more_come, self._source_error = False, error
        self._moved.set()

    async def _run(self, answer: GetReply) -> Outcome[ChatReply]:
        async with self._free:
            return await contained(answer, self._layers)


def forget_frames(error: ChatError) -> None:
    """Make `error` a plain value: its traceback would keep the whole call in memory (39 kB, measured)."""
    for failure in (error, *error.failures):
        failure.__traceback__ = failure.__context__ = failure.__cause__ = None
