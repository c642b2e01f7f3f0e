"""ChatQueue: a bounded queue in front of a wrapper, with priorities and backpressure.

Bounded on both sides: `maxsize` calls wait, `workers` are under way, and a
submitter waits for room. The workers run in the wrapper's own event loop,
whoever submits. Not here: how fast calls may go (limits.py), the queue's inside
(workers.py), whole lists of prompts (bulk.py).
"""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, cast

from safechat.client.workers import QueueStats, Workers
from safechat.messages import ChatReply, Messages

if TYPE_CHECKING:
    from safechat.client.wrapper import ChatClientWrapper
    from safechat.layers import Layers


class ChatQueue:
    """A queue of calls to `chat`.

        async with ChatQueue(chat, maxsize=1000, workers=32) as queue:
            future = await queue.submit("Merhaba", priority=0)
            reply = await future

    A lower priority number goes first; within one number, first come, first
    served. Leaving the block waits for all that was submitted; leaving it by an
    exception cancels them. Cancelling a future takes its call out of the queue,
    or ends it when it is under way.
    """

    def __init__(self, chat: ChatClientWrapper, *, maxsize: int = 1000, workers: int = 32) -> None:
        self._chat = chat
        self._workers: Workers[Layers] = Workers(maxsize, workers)

    async def submit(
        self,
        messages: Messages,
        model: str | None = None,
        temperature: float | None = None,
        *,
        priority: int = 0,
        **params: object,
    ) -> asyncio.Future[ChatReply]:
        """A future of the reply, or of the ChatError. Waits while the queue is full.

        Arguments are those of `generate`; wrong ones raise here.
        """
        job = self._chat._job(messages, model, temperature, **cast(Any, params))
        return asyncio.wrap_future(
            await self._chat._loop.run_async(lambda _: self._workers.put(job, priority))
        )

    def submit_nowait(
        self,
        messages: Messages,
        model: str | None = None,
        temperature: float | None = None,
        *,
        priority: int = 0,
        **params: object,
    ) -> asyncio.Future[ChatReply]:
        """The same without waiting. Raises QueueFull."""
        job = self._chat._job(messages, model, temperature, **cast(Any, params))
        return asyncio.wrap_future(
            self._chat._loop.run(lambda _: self._workers.put(job, priority, wait=False))
        )

    def stats(self) -> QueueStats:
        """What waits and runs now, and what has ended so far."""
        return self._workers.stats()

    async def __aenter__(self) -> Self:
        await self._chat._loop.run_async(self._workers.start)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._chat._loop.closed:
            return  # it has stopped the workers, and told all who waited
        try:
            if kind is None:
                await self._chat._loop.run_async(lambda _: self._workers.drain())
        finally:
            await self._chat._loop.run_async(lambda _: self._workers.stop())
