"""The events of a stream that carry nothing: skipped before the SDK takes them for JSON.

`retry:` and `id:` alone, `event: ping`, an empty `data:`: github.com/openai/openai-python/issues/2722 and
/3833. Not here: what the other events mean (chunks.py).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any, TypeVar, cast

import openai

S = TypeVar("S")

_PINGS = frozenset({"ping", "keepalive", "keep-alive"})


def without_empty_events(stream: S) -> S:
    """`stream`, one of the SDK's that nobody has read from yet, without such events; any other as it is."""
    if isinstance(stream, openai.Stream | openai.AsyncStream):
        cast(Any, stream)._decoder = _Decoder(stream._decoder)
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


def _carries_data(event: Any) -> bool:
    return event.event not in _PINGS and bool(event.data.strip())
