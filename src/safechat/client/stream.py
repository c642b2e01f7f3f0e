"""Streams: the pieces of an answer as they come, on the consumer's side.

The call itself runs in the wrapper's loop like any other, and puts its pieces
into a pipe; here they come out, in a thread or in another event loop. The pipe
is short: a consumer that is slow slows the call down. Leaving early ends the
call. Not here: what a stream may do wrong (call/layer.py, call/chunks.py).
"""

from __future__ import annotations

import asyncio
import threading
import weakref
from collections import deque
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Self

import anyio

from safechat.client.dispatch import Call, Dispatcher
from safechat.errors import ChatError
from safechat.layers import Layers
from safechat.limits.slots import Slot, slot_here
from safechat.messages import ChatReply
from safechat.runtime import clock
from safechat.runtime.loop import Outcome, contained

_MOST_WAITING = 64  # pieces
_LONGEST_WAITING = 0.25  # seconds; a consumer who lets a piece wait longer is busy with something else


class _Pipe:
    """A call under way, and its pieces that wait to be taken. For the wrapper's loop, all but `abandon`."""

    def __init__(self, call: Call) -> None:
        self._call = call
        self._pieces: deque[str] = deque()
        self._handed_out: list[str] = []  # kept until the consumer comes again: they may be lost on their way
        self._times_handed_out = 0
        self._waiting_since = 0.0  # since when the first of the pieces is there
        self._moved = asyncio.Event()
        self._slot: Slot | None = None  # the call's, when a piece has come
        self._lent: Slot | None = None  # the same, while the consumer is busy
        self._task: asyncio.Task[Outcome[ChatReply]] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    async def take(self, layers: Layers, *, arrived: int) -> list[str] | Outcome[ChatReply]:
        """The pieces that have come since; at the end the outcome of the call.

        With pieces the consumer is busy, and may make a call of its own, until it comes for more.

        `arrived` is how often pieces have arrived at the consumer. Those that did not, because it was
        cancelled while they were on their way, are given once more.
        """
        if arrived < self._times_handed_out:
            self._pieces.extendleft(reversed(self._handed_out))
            self._times_handed_out = arrived
        self._handed_out = []
        if self._task is None:
            self._loop = asyncio.get_running_loop()
            self._task = self._loop.create_task(self._run(layers))
            self._task.add_done_callback(lambda _: self._moved.set())
        elif self._loop is not asyncio.get_running_loop():
            raise RuntimeError("this stream belongs to the parent process: ask again after a fork")
        if self._lent is not None:
            lent, self._lent = self._lent, None
            await lent.take_back()
        while not self._pieces and not self._task.done():
            self._moved.clear()
            await self._moved.wait()
        if self._pieces:
            self._handed_out = list(self._pieces)
            self._times_handed_out += 1
            self._pieces.clear()
            self._moved.set()
            if self._slot is not None:
                self._lent = self._slot
                self._lent.lend()
            return self._handed_out
        if self._task.cancelled():
            raise self.closed()
        return self._task.result()

    def closed(self) -> ChatError:
        """The error of a reader whose stream somebody else has closed."""
        model = self._call.request.model
        return ChatError(f"{model}: the stream was closed while it was being read", model=model)

    async def close(self) -> None:
        """End the call, and wait until it has ended. In the child of a fork it is the parent's."""
        if self._task is not None and self._loop is asyncio.get_running_loop():
            self._task.cancel()
            await asyncio.wait([self._task])

    def abandon(self) -> None:
        """The same from any thread, without waiting: nobody holds the stream any more."""
        if self._task is not None and self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._task.cancel)

    async def _run(self, layers: Layers) -> Outcome[ChatReply]:
        return await contained(lambda layers: self._call.stream(layers, self._put), layers)

    async def _put(self, piece: str) -> None:
        """Waits for the consumer when enough has been read ahead, so that the call knows of it."""
        while self._pieces and not self._reads_ahead():
            self._moved.clear()
            await self._moved.wait()
        if not self._pieces:
            self._waiting_since = clock.now()
        self._pieces.append(piece)
        self._slot = slot_here()
        self._moved.set()

    def _reads_ahead(self) -> bool:
        return len(self._pieces) < _MOST_WAITING and clock.now() - self._waiting_since < _LONGEST_WAITING


class _Stream:
    """What both kinds of stream share."""

    def __init__(self, dispatcher: Dispatcher, call: Call) -> None:
        self._dispatcher = dispatcher
        self._pipe = _Pipe(call)
        self._here: deque[str] = deque()
        self._reply: ChatReply | None = None
        self._arrived = 0  # how often pieces have
        self._ended = False
        self._closed_by: int | None = None
        weakref.finalize(self, self._pipe.abandon).atexit = False

    @property
    def reply(self) -> ChatReply:
        """The whole reply, with its usage, when the last piece has been taken."""
        if self._reply is None:
            raise RuntimeError("the stream has not come to its end: iterate over it first")
        return self._reply

    def _me(self) -> int:
        """Who reads or closes: a thread, or a task."""
        return threading.get_ident()

    def _next_here(self) -> str | None:
        """The next of the pieces that are on this side already.

        A stream that its reader has closed just ends. One that somebody else closed was cut: its reader must
        not take it for whole.
        """
        if self._closed_by is not None and self._closed_by != self._me():
            raise self._pipe.closed()
        try:
            return self._here.popleft()
        except IndexError:
            return None

    def _taking(self) -> Callable[[Layers], Awaitable[list[str] | Outcome[ChatReply]]]:
        """What to run in the wrapper's loop for the next pieces. It holds the pipe, and not the stream."""
        return partial(self._pipe.take, arrived=self._arrived)

    def _add(self, taken: list[str] | Outcome[ChatReply]) -> None:
        """Raises what the call raised."""
        if isinstance(taken, Outcome):
            self._reply, self._ended = taken.value(), True
        else:
            self._arrived += 1
            self._here.extend(taken)

    def _end(self) -> None:
        if not self._ended:
            self._ended, self._closed_by = True, self._me()
        self._here.clear()


class ChatStream(_Stream):
    """The pieces of an answer. Iterate, or use it in a `with` block to leave early.

    for piece in chat.stream("Merhaba"):
        print(piece, end="")

    One thread reads. When another one closes the stream, the reader gets a ChatError.
    """

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> str:
        while (piece := self._next_here()) is None:
            if self._ended:
                raise StopIteration
            try:
                self._add(self._dispatcher.run(self._taking()))
            except BaseException:
                self._ended = True
                raise
        return piece

    def close(self) -> None:
        """End the call, wherever it is; nothing happens to one that has ended."""
        self._end()
        if not self._dispatcher.closed:
            self._dispatcher.run(lambda _: self._pipe.close())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class AsyncChatStream(_Stream):
    """ChatStream for an event loop; one task reads.

    async for piece in chat.stream_async("Merhaba"):
        print(piece, end="")

    Cancelling a wait for the next piece costs nothing: `asyncio.wait_for(anext(stream), 1.0)` may time out as
    often as it likes, and the next `anext` goes on. The call ends when the stream is closed or dropped.
    """

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> str:
        while (piece := self._next_here()) is None:
            if self._ended:
                raise StopAsyncIteration
            try:
                self._add(await self._dispatcher.run_async(self._taking()))
            except anyio.get_cancelled_exc_class():
                del self  # the traceback must not keep a stream whose reader is gone from being dropped
                raise
            except BaseException:
                self._ended = True
                raise
        return piece

    def _me(self) -> int:
        return anyio.get_current_task().id

    async def aclose(self) -> None:
        """End the call, wherever it is; nothing happens to one that has ended."""
        self._end()
        if not self._dispatcher.closed:
            with anyio.CancelScope(shield=True):
                await self._dispatcher.run_async(lambda _: self._pipe.close())

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()
