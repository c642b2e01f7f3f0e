"""The chunks of one answer as they come from a client, and the way to let go of its connection.

Not here: asking for them (endpoint.py), putting them together (chunks.py, responses_events.py).
"""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Iterator
from contextlib import suppress
from typing import Protocol

from safechat.runtime.threads import Threads

_END = object()


class ChunkStream(Protocol):
    """Chunks as they come; `aclose` lets go of the connection."""

    def __aiter__(self) -> AsyncIterator[object]: ...

    async def aclose(self) -> None: ...


class AwaitedChunks:
    """The chunks of one answer, and the way to let go of its connection, also before the first one."""

    def __init__(self, chunks: AsyncIterable[object], close: Callable[[], object] | None) -> None:
        self._chunks = aiter(chunks)
        self._close = close

    def __aiter__(self) -> AsyncIterator[object]:
        return self._chunks

    async def aclose(self) -> None:
        if self._close is not None:
            closing = self._close()
            if isinstance(closing, Awaitable):
                await closing


class ThreadChunks:
    """The same of a synchronous client: each chunk is awaited in a thread."""

    def __init__(
        self,
        chunks: Iterator[object],
        close: Callable[[], object] | None,
        threads: Threads,
        seconds: float,
    ) -> None:
        self._chunks = chunks
        self._close = close
        self._threads = threads
        self._seconds = seconds

    def __aiter__(self) -> AsyncIterator[object]:
        return self

    async def __anext__(self) -> object:
        chunk = await self._threads.run(lambda: next(self._chunks, _END), seconds=self._seconds)
        if chunk is _END:
            raise StopAsyncIteration
        return chunk

    async def aclose(self) -> None:
        if self._close is not None:
            with suppress(ValueError):  # a generator that a thread is still in
                self._close()
