"""Streams: the pieces of an answer as they come, on the consumer's side.

The call itself runs in the wrapper's loop like any other, and puts its pieces
into a pipe; here they come out, in a thread or in another event loop. Nobody asks for a piece: a consumer who
waits is woken, once for all that have come by then. The pipe is short: a consumer that is slow slows the
call down. Leaving early ends the call. Not here: what a stream may do wrong (call/layer.py, call/chunks.py).
"""

from __future__ import annotations

import asyncio
import os
import threading
import weakref
from collections import deque
from collections.abc import Callable
from functools import partial
from queue import SimpleQueue
from typing import Self

import anyio

from safechat.client.dispatch import Call, Dispatcher
from safechat.errors import ChatError
from safechat.layers import Layers
from safechat.limits.slots import Slot, slot_here
from safechat.messages import ChatReply
from safechat.runtime import clock
from safechat.runtime.inbox import inbox_here
from safechat.runtime.loop import Outcome, Visit, runs_asyncio

_MOST_WAITING = 64  # pieces
_LONGEST_WAITING = 0.25  # seconds; a consumer who leaves pieces there for longer is busy with something else
_LOOK_AFTER = 0.02  # seconds after a piece; a consumer who does not wait for the next one by then is busy


class _Pipe:
    """A call under way, and its pieces that wait to be taken.

    The call puts them in, in the wrapper's loop; the consumer takes them out, elsewhere. Each side first
    notes what it is about to do, and then looks at what the other has noted: so they cannot miss each other.
    """

    def __init__(self, dispatcher: Dispatcher, call: Call) -> None:
        self.outcome: Outcome[ChatReply] | None = None  # comes after the last piece
        self._dispatcher = dispatcher
        self._call = call
        self._pieces: deque[str] = deque()
        self._waiting: list[Callable[[], object]] = []  # what wakes a consumer who waits
        self._there_since = 0.0  # since when there are pieces
        self._is_full = False
        self._is_waking = False
        self._moved = asyncio.Event()
        self._look: asyncio.TimerHandle | None = None
        self._lent: Slot | None = None  # the call's slot, while the consumer is busy
        self._visit: Visit[ChatReply] | None = None
        self._process = 0  # the one in which the call is under way

    def take(self) -> str | None:
        """The next piece, if one is there."""
        try:
            return self._pieces.popleft()
        except IndexError:
            return None

    def wait(self) -> None:
        """Wait in a thread until there is a piece, or the outcome."""
        self._dispatcher.check_elsewhere()
        self._begin()
        woken: SimpleQueue[None] = SimpleQueue()
        wake = partial(woken.put, None)
        self._waiting.append(wake)
        try:
            if self._is_held_up():
                self._dispatcher.run(self._go_on)
            if self._is_empty():
                woken.get()
        finally:
            self._waiting.remove(wake)

    async def wait_async(self) -> None:
        """The same in an event loop. To cancel it changes nothing."""
        self._begin()
        if not runs_asyncio():
            await self._dispatcher.run_async(self._wait_in_the_wrappers_loop)
            return
        inbox = inbox_here()
        woken = asyncio.get_running_loop().create_future()
        wake = partial(inbox.put, partial(_set, woken))
        self._waiting.append(wake)
        try:
            if self._is_held_up():
                await self._dispatcher.run_async(self._go_on)
            if self._is_empty():
                await woken
        finally:
            self._waiting.remove(wake)

    async def _wait_in_the_wrappers_loop(self, layers: Layers) -> None:
        woken = asyncio.Event()
        self._waiting.append(woken.set)
        try:
            await self._go_on(layers)
            if self._is_empty():
                await woken.wait()
        finally:
            self._waiting.remove(woken.set)

    def _begin(self) -> None:
        """The first time, the call begins."""
        if self._visit is None:
            self._process = os.getpid()
            self._visit = self._dispatcher.start(self._run, self._end)
        elif self._process != os.getpid():
            raise RuntimeError("this stream belongs to the parent process: ask again after a fork")

    def closed(self) -> ChatError:
        """The error of a reader whose stream somebody else has closed."""
        model = self._call.request.model
        return ChatError(f"{model}: the stream was closed while it was being read", model=model)

    async def close(self, _: Layers) -> None:
        """End the call, and wait until it has ended; in the wrapper's loop."""
        self._pieces.clear()
        if self.is_under_way():
            self.abandon()
            while self.outcome is None:
                self._moved.clear()
                await self._moved.wait()

    def abandon(self) -> None:
        """The same from any thread, without waiting: nobody holds the stream any more."""
        if self.is_under_way() and self._visit is not None:
            self._visit.cancel()

    def is_under_way(self) -> bool:
        """Whether there is a call to end. In the child of a fork it is the parent's."""
        return self._visit is not None and self.outcome is None and self._process == os.getpid()

    async def _run(self, layers: Layers) -> ChatReply:
        return await self._call.stream(layers, self._put)

    async def _put(self, piece: str) -> None:
        """Waits for the consumer when enough has been read ahead, so that the call knows of it."""
        if self._pieces and self._is_far_ahead():
            self._is_full = True
            while self._pieces:
                self._moved.clear()
                await self._moved.wait()
            self._is_full = False
        if not self._pieces:
            self._there_since = clock.now()
        self._pieces.append(piece)
        if self._waiting and not self._is_waking:
            self._is_waking = True
            asyncio.get_running_loop().call_soon(self._wake)
        if self._look is None and (slot := slot_here()) is not None:
            self._look = asyncio.get_running_loop().call_later(_LOOK_AFTER, self._lend, slot)

    def _is_far_ahead(self) -> bool:
        return len(self._pieces) >= _MOST_WAITING or clock.now() - self._there_since >= _LONGEST_WAITING

    def _end(self, outcome: Outcome[ChatReply]) -> None:
        self.outcome = outcome
        self._moved.set()
        self._wake()

    def _wake(self) -> None:
        self._is_waking = False
        for wake in tuple(self._waiting):  # as it is now: who comes meanwhile waits for the next piece
            wake()

    def _lend(self, slot: Slot) -> None:
        """While the consumer is busy it may make a call of its own, which needs a slot."""
        self._look = None
        if self._lent is None and self.outcome is None:
            self._lent = slot
            if self._waiting:
                self._lent = None
            else:
                slot.lend()

    def _is_held_up(self) -> bool:
        """Whether the call has noticed that the consumer was busy."""
        return self._is_full or self._lent is not None

    async def _go_on(self, _: Layers) -> None:
        """The consumer has taken all that there was, and comes for more."""
        if self._lent is not None:
            lent, self._lent = self._lent, None
            await lent.take_back()
        self._moved.set()

    def _is_empty(self) -> bool:
        return not self._pieces and self.outcome is None


def _set(woken: asyncio.Future[None]) -> None:
    if not woken.done():
        woken.set_result(None)


class _Stream:
    """What both kinds of stream share."""

    def __init__(self, dispatcher: Dispatcher, call: Call) -> None:
        self._dispatcher = dispatcher
        self._pipe = _Pipe(dispatcher, call)
        self._reply: ChatReply | None = None
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
        """The next of the pieces that are here already. At the end None, and what the call raised is raised.

        A stream that its reader has closed just ends. One that somebody else closed was cut: its reader must
        not take it for whole.
        """
        if self._closed_by is not None and self._closed_by != self._me():
            raise self._pipe.closed()
        if self._ended:
            return None
        outcome = self._pipe.outcome  # before the look at the pieces: none comes after it
        piece = self._pipe.take()
        if piece is None and outcome is not None:
            self._ended = True
            self._reply = outcome.value()
        return piece

    def _end(self) -> None:
        if not self._ended:
            self._ended, self._closed_by = True, self._me()


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
                self._pipe.wait()
            except BaseException:
                self._ended = True
                raise
        return piece

    def close(self) -> None:
        """End the call, wherever it is; nothing happens to one that has ended."""
        self._end()
        if not self._dispatcher.closed:
            self._dispatcher.run(self._pipe.close)

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
                await self._pipe.wait_async()
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
                await self._dispatcher.run_async(self._pipe.close)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()
