"""ChatQueue: a bounded queue in front of a wrapper, with priorities and backpressure.

Bounded on both sides: `maxsize` calls wait, `workers` are under way, and a
submitter waits for room. The workers run in the wrapper's own event loop,
whoever submits. Not here: how fast calls may go (limits/), the queue's inside
(workers.py), whole lists of prompts (map.py).
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Self

import anyio
from pydantic import BaseModel

from safechat.client.dispatch import Call
from safechat.client.workers import Job, QueueStats, Workers
from safechat.client.wrapper import ChatClientWrapper
from safechat.messages import Api, ChatReply, Messages
from safechat.runtime.loop import check_asyncio


class ChatQueue:
    """A queue of calls to `chat`. It needs asyncio: its futures are asyncio's.

        async with ChatQueue(chat, maxsize=1000, workers=32) as queue:
            future = await queue.submit("Merhaba", priority=0)
            reply = await future

    A lower priority number goes first; within one number, first come, first
    served. Leaving the block waits for all that was submitted; leaving it by an
    exception cancels them. Cancelling a future takes its call out of the queue,
    or ends it when it is under way. A call's deadline begins when it has its
    place: what it waits in the queue is part of it, the wait for a place is not.
    """

    def __init__(self, chat: ChatClientWrapper, *, maxsize: int = 1000, workers: int = 32) -> None:
        self._dispatcher = chat.dispatcher
        self._workers = Workers(maxsize, workers)

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
        api: Api | None = None,
        **params: object,
    ) -> asyncio.Future[ChatReply]:
        """A future of the reply, or of the ChatError. Waits while the queue is full.

        Arguments are those of `generate`; wrong ones raise here. Cancelling it leaves no call behind.
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
            api=api,
            params=params,
        )
        with self._held(call) as job:
            await self._dispatcher.run_async(lambda _: self._workers.put(job, priority))
        return job.future

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
        api: Api | None = None,
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
            api=api,
            params=params,
        )
        with self._held(call) as job:
            self._dispatcher.run(lambda _: self._workers.put(job, priority, wait=False))
        return job.future

    def stats(self) -> QueueStats:
        """What waits and runs now, and what has ended so far."""
        return self._workers.stats()

    async def __aenter__(self) -> Self:
        check_asyncio("ChatQueue")
        await self._dispatcher.run_async(self._workers.start)
        return self

    async def __aexit__(self, kind: object, *_: object) -> None:
        if self._dispatcher.closed:
            return  # its end has stopped the workers and cancelled all that waited
        try:
            if kind is None:
                await self._dispatcher.run_async(lambda _: self._workers.drain())
        finally:
            with anyio.CancelScope(shield=True):
                await self._dispatcher.run_async(lambda _: self._workers.stop())

    @contextmanager
    def _held(self, call: Call) -> Iterator[Job]:
        """Within it a job of `call` gets its place. After an exception nobody holds its future, and it
        does not stay in the queue."""
        check_asyncio("ChatQueue")
        job = Job(call, asyncio.get_running_loop().create_future())

        def leave(future: asyncio.Future[ChatReply]) -> None:
            if future.cancelled():
                self._workers.cancelled(job)

        job.future.add_done_callback(leave)
        try:
            yield job
        except BaseException:
            job.future.cancel()
            raise
