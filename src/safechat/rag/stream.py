"""An answer from sources in pieces. Not here: the pieces of a chat's answer (client/stream.py)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Generic, Self, TypeVar

from safechat.client.dispatch import Dispatcher
from safechat.client.stream import AsyncChatStream
from safechat.messages import ChatReply
from safechat.rag.sources import Source

A = TypeVar("A")


@dataclass(slots=True)
class Begun(Generic[A]):
    """A stream whose first piece has come. `read` makes the answer of the whole reply; without a stream there
    is only the first piece."""

    sources: tuple[Source, ...]
    first: str | None
    stream: AsyncChatStream | None
    read: Callable[[ChatReply | None], A]


class AsyncRagStream(Generic[A]):
    """The pieces of an answer, in an `async with` block, which finds the sources and waits for the first.
    Without a block the first `anext` does so; if it is cancelled, the next one finds and asks anew.

    Cancelled or left early, the request ends and its slot is free.
    """

    def __init__(self, begin: Callable[[], Awaitable[Begun[A]]]) -> None:
        self._begin = begin
        self._begun: Begun[A] | None = None
        self._answer: A | None = None

    @property
    def sources(self) -> tuple[Source, ...]:
        """The sources of the prompt: `[1]` in the text is the first of them."""
        if self._begun is None:
            raise RuntimeError("the sources are not yet known: use the stream in a with block")
        return self._begun.sources

    @property
    def answer(self) -> A:
        """The whole answer, when the last piece has been taken."""
        if self._answer is None:
            raise RuntimeError("the stream has not come to its end: iterate over it first")
        return self._answer

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> str:
        begun = await self.begin()
        if begun.first is not None:
            piece, begun.first = begun.first, None
            return piece
        if begun.stream is not None and (piece_or_end := await anext(begun.stream, None)) is not None:
            return piece_or_end
        if self._answer is None:
            self._answer = begun.read(begun.stream.reply if begun.stream is not None else None)
        raise StopAsyncIteration

    async def begin(self) -> Begun[A]:
        """Find the sources and wait for the first piece; only once."""
        if self._begun is None:
            self._begun = await self._begin()
        return self._begun

    async def aclose(self) -> None:
        """End the request, wherever it is; nothing happens to one that has ended."""
        if self._begun is not None and self._begun.stream is not None:
            await self._begun.stream.aclose()

    async def __aenter__(self) -> Self:
        await self.begin()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()


class RagStream(Generic[A]):
    """AsyncRagStream for a thread."""

    def __init__(self, dispatcher: Dispatcher, stream: AsyncRagStream[A]) -> None:
        self._dispatcher = dispatcher
        self._stream = stream

    @property
    def sources(self) -> tuple[Source, ...]:
        """The sources of the prompt: `[1]` in the text is the first of them."""
        return self._stream.sources

    @property
    def answer(self) -> A:
        """The whole answer, when the last piece has been taken."""
        return self._stream.answer

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> str:
        async def piece_or_end() -> str | None:
            return await anext(self._stream, None)

        if (piece := self._dispatcher.run(lambda _: piece_or_end())) is None:
            raise StopIteration
        return piece

    def close(self) -> None:
        """End the request, wherever it is; nothing happens to one that has ended."""
        if not self._dispatcher.closed:
            self._dispatcher.run(lambda _: self._stream.aclose())

    def __enter__(self) -> Self:
        self._dispatcher.run(lambda _: self._stream.begin())
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
