"""ChatQueue: a bounded queue in front of a wrapper, with priorities and backpressure.

Bounded on both sides: `maxsize` calls wait, `workers` are under way, and a
submitter waits for room. The workers run in the wrapper's own event loop,
whoever submits. Not here: how fast calls may go (limits.py), the queue's inside
(workers.py), whole lists of prompts (bulk.py).
"""

from __future__ import annotations

import asyncio
from typing import Self

from pydantic import BaseModel

from safechat.client.workers import QueueStats, Workers
from safechat.client.wrapper import ChatClientWrapper
from safechat.layers import Layers
from safechat.messages import ChatReply, Messages


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
        self._dispatcher = chat.dispatcher
        self._workers: Workers[Layers] = Workers(maxsize, workers)

    async def submit(
        self,
        messages: Messages,
        model: str | None = None,
        temperature: float | None = None,
        *,
        priority: int = 0,
        timeout: float | None = None,
        deadline: float | None = None,
        allow_truncated: bool = False,
        parse: type[BaseModel] | None = None,
        strict_streams: bool | None = None,
        **params: object,
    ) -> asyncio.Future[ChatReply]:
        """A future of the reply, or of the ChatError. Waits while the queue is full.

        Arguments are those of `generate`; wrong ones raise here.
        """
        call = self._dispatcher.call(
            messages,
            model,
            temperature,
            timeout=timeout,
            deadline=deadline,
            allow_truncated=allow_truncated,
            parse=parse,
            strict_streams=strict_streams,
            params=params,
        )
        return asyncio.wrap_future(
            await self._dispatcher.run_async(lambda _: self._workers.put(call.answer, priority))
        )

    def submit_nowait(
        self,
        messages: Messages,
        model: str | None = None,
        temperature: float | None = None,
        *,
        priority: int = 0,
        timeout: float | None = None,
        deadline: float | None = None,
        allow_truncated: bool = False,
        parse: type[BaseModel] | None = None,
        strict_streams: bool | None = None,
        **params: object,
    ) -> asyncio.Future[ChatReply]:
        """The same without waiting. Raises QueueFull."""
        call = self._dispatcher.call(
            messages,
            model,
            temperature,
            timeout=timeout,
            deadline=deadline,
            allow_truncated=allow_truncated,
            parse=parse,
            strict_streams=strict_streams,
            params=params,
        )
        return asyncio.wrap_future(
            self._dispatcher.run(lambda _: self._workers.put(call.answer, priority, wait=False))
        )

    def stats(self) -> QueueStats:
        """What waits and runs now, and what has ended so far."""
        return self._workers.stats()

    async def __aenter__(self) -> Self:
        await self._dispatcher.run_async(self._workers.start)
        return self

    async def __aexit__(self, kind: object, *_: object) -> None:
        if self._dispatcher.closed:
            return  # it has stopped the workers, and told all who waited
        try:
            if kind is None:
                await self._dispatcher.run_async(lambda _: self._workers.drain())
        finally:
            await self._dispatcher.run_async(lambda _: self._workers.stop())
