"""A long stream costs no more CPU than the SDK's own."""

from __future__ import annotations

import statistics
import time
from collections.abc import Awaitable, Callable

import openai

from clients import KEY, make_client, once
from sse import DONE, HEAD, ROLE, chunk
from wire import Peer, wire

CHUNKS = 2000
BODY = HEAD + ROLE + b"".join(chunk(f"{number} ") for number in range(CHUNKS)) + chunk(finish="stop") + DONE


def script(peer: Peer) -> None:
    peer.say(BODY)
    peer.close()


async def cpu(read: Callable[[], Awaitable[int]]) -> float:
    """CPU seconds of the process; the server's are in it, and the same for both."""
    started = time.process_time()
    assert await read() == CHUNKS
    return time.process_time() - started


async def test_a_stream_of_2000_chunks_costs_no_more_than_the_sdks() -> None:
    with wire(script) as server:
        async with (
            openai.AsyncOpenAI(api_key=KEY, base_url=server.base_url) as bare,
            once(make_client("async", server.base_url), timeout=60) as chat,
        ):

            async def by_the_sdk() -> int:
                stream = await bare.chat.completions.create(model="m", messages=[], stream=True)
                return len([1 async for taken in stream if taken.choices[0].delta.content])

            async def by_the_wrapper() -> int:
                return len([piece async for piece in chat.stream_async("Merhaba")])

            ratios = []
            for _ in range(5):
                base = await cpu(by_the_sdk)
                ratios.append(await cpu(by_the_wrapper) / base)
    assert statistics.median(ratios) <= 1.0
