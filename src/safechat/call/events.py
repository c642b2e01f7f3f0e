"""What comes in place of a stream's events, put right before the SDK reads it.

Events that carry nothing are skipped: `retry:` and `id:` alone, `event: ping`, an empty `data:`
(github.com/openai/openai-python/issues/2722 and /3833). A body of JSON, an error or the answer of a server
that does not stream, is one event. Not here: what the events mean (chunks.py).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any, TypeVar, cast

import openai

S = TypeVar("S")

_PINGS = frozenset({"ping", "keepalive", "keep-alive"})


def without_empty_events(stream: S) -> S:
    """`stream`, one of the SDK's that nobody has read from yet, with events that carry data; any other as it
    is."""
    if isinstance(stream, openai.Stream | openai.AsyncStream):
        kind = stream.response.headers.get("content-type", "")
        decoder = _OneEvent if kind.startswith("application/json") else _Decoder
        cast(Any, stream)._decoder = decoder(stream._decoder)
    return stream


class _Decoder:
    """The SDK's decoder of server-sent events, less those without data."""

    def __init__(self, decoder: Any) -> None:
        self._decoder = decoder

    def iter_bytes(self, iterator: Iterator[bytes]) -> Iterator[object]:
        for event in self._decoder.iter_bytes(iterator):
            if _carries_data(event):
                yield event

    async def aiter_bytes(self, iterator: AsyncIterator[bytes]) -> AsyncIterator[object]:
        async for event in self._decoder.aiter_bytes(iterator):
            if _carries_data(event):
                yield event


class _OneEvent:
    """The SDK's decoder of server-sent events, for a body of JSON."""

    def __init__(self, decoder: Any) -> None:
        self._decoder = decoder

    def iter_bytes(self, iterator: Iterator[bytes]) -> Iterator[object]:
        yield from self._decoder.iter_bytes(iter([_as_event(b"".join(iterator))]))

    async def aiter_bytes(self, iterator: AsyncIterator[bytes]) -> AsyncIterator[object]:
        body = b"".join([piece async for piece in iterator])
        for event in self._decoder.iter_bytes(iter([_as_event(body)])):
            yield event


def _as_event(body: bytes) -> bytes:
    """In JSON the end of a line is white space."""
    return b"data: " + b" ".join(body.splitlines()) + b"\n\n" if body.strip() else b""


def _carries_data(event: Any) -> bool:
    return event.event not in _PINGS and bool(event.data.strip())
