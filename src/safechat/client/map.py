"""Many prompts, answered in order, by a bounded number of calls at once.

Pulls from its iterable only as fast as it works, so an endless generator is
fine. A failed item is its ChatError as a value: one failure costs no other.
Not here: the workers (workers.py).
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator
from concurrent.futures import CancelledError, Future
from typing import Any, cast

from safechat.client.dispatch import Call, Dispatcher
from safechat.client.workers import Job, Workers
from safechat.errors import ChatError, RequestRejected
from safechat.layers import Layers
from safechat.messages import ChatReply, Messages

Progress = Callable[[int, int | None], object]
"""Called after each item with (done, total); total is None for what has no length."""


class Bulk:
    """One pass over an iterable; iterated once, either way."""

    def __init__(
        self,
        dispatcher: Dispatcher,
        call: Callable[[Messages], Call],
        prompts: Iterable[Messages] | AsyncIterable[Messages],
        workers: int,
        progress: Progress | None,
        raise_on_error: bool,
    ) -> None:
        if isinstance(prompts, str) or not isinstance(prompts, Iterable | AsyncIterable):
            raise TypeError(f"prompts must be an iterable of prompts, not {type(prompts).__name__}")
        self._dispatcher = dispatcher
        self._call = call
        self._prompts = prompts
        self._total = len(cast(Any, prompts)) if hasattr(prompts, "__len__") else None
        self._workers: Workers[Layers] = Workers(workers, workers)
        self._most = 2 * workers
        self._progress = progress
        self._raise = raise_on_error
        call("once, so that wrong arguments raise here")
        self._pending: deque[Future[ChatReply]] = deque()
        self._done = 0

    def run(self) -> Iterator[ChatReply | ChatError]:
        self._dispatcher.run(self._workers.start)
        try:
            for prompt in cast(Iterable[Messages], self._prompts):
                self._pending.append(self._workers.post(self._job(prompt)))
                while self._has_next():
                    yield self._taken(self._pending.popleft())
            while self._pending:
                yield self._taken(self._pending.popleft())
        finally:
            if not self._dispatcher.closed:
                self._dispatcher.run(lambda _: self._workers.stop())

    async def run_async(self) -> AsyncIterator[ChatReply | ChatError]:
        await self._dispatcher.run_async(self._workers.start)
        try:
            async for prompt in _async(self._prompts):
                self._pending.append(self._workers.post(self._job(prompt)))
                while self._has_next():
                    yield await self._taken_async()
            while self._pending:
                yield await self._taken_async()
        finally:
            if not self._dispatcher.closed:
                await self._dispatcher.run_async(lambda _: self._workers.stop())

    def _job(self, prompt: Messages) -> Job[Layers]:
        """A prompt that is wrong fails like any other item, when its turn comes."""
        try:
            return self._call(prompt).answer
        except (TypeError, ValueError) as error:
            rejected = RequestRejected(f"not sent: {error}")

        async def reject(_: Layers) -> ChatReply:
            raise rejected

        return reject

    def _has_next(self) -> bool:
        """Whether to hand out an item before taking another in."""
        return len(self._pending) >= self._most or (bool(self._pending) and self._pending[0].done())

    async def _taken_async(self) -> ChatReply | ChatError:
        future = self._pending.popleft()
        if not future.done():
            await asyncio.wait([asyncio.wrap_future(future)])
        return self._taken(future)

    def _taken(self, future: Future[ChatReply]) -> ChatReply | ChatError:
        item: ChatReply | ChatError
        try:
            item = future.result()
        except ChatError as error:
            if self._raise:
                raise
            item = error
        except CancelledError:
            raise RuntimeError("the client was closed while map was under way") from None
        self._done += 1
        if self._progress is not None:
            self._progress(self._done, self._total)
        return item


async def _async(prompts: Iterable[Messages] | AsyncIterable[Messages]) -> AsyncIterator[Messages]:
    if isinstance(prompts, AsyncIterable):
        async for prompt in prompts:
            yield prompt
    else:
        for prompt in prompts:
            yield prompt
