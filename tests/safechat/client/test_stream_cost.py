"""A long stream costs no more CPU than the SDK's own, and its pieces come in few steps between the loops."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from types import SimpleNamespace

import openai
import pytest

from clients import KEY, make_client, once
from safechat.layers import Layers
from sse import DONE, HEAD, ROLE, chunk
from wire import Peer, wire

CHUNKS = 2000
BODY = HEAD + ROLE + b"".join(chunk(f"{number} ") for number in range(CHUNKS)) + chunk(finish="stop") + DONE


def script(peer: Peer) -> None:
    peer.say(BODY)
    peer.close()


def script_with_a_packet_for_each_chunk(peer: Peer) -> None:
    peer.say(HEAD + ROLE)
    for number in range(CHUNKS):
        peer.say(chunk(f"{number} "))
        peer.pause(0.0002)
    peer.say(chunk(finish="stop") + DONE)
    peer.close()


async def cpu(read: Callable[[], Awaitable[int]]) -> float:
    """CPU seconds of the process; the server's are in it, and the same for both."""
    started = time.process_time()
    assert await read() == CHUNKS
    return time.process_time() - started


@pytest.mark.parametrize("script", [script, script_with_a_packet_for_each_chunk])
async def test_a_stream_of_2000_chunks_costs_no_more_than_the_sdks(script: Callable[[Peer], None]) -> None:
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
            for _ in range(3):
                base = await cpu(by_the_sdk)
                ratios.append(await cpu(by_the_wrapper) / base)
    assert statistics.median(ratios) <= 1.0


class SteadyStream:
    """A client whose stream brings its pieces one by one. It counts them."""

    def __init__(self, pieces: int) -> None:
        self.count = 0
        self._pieces = pieces
        self.chat = SimpleNamespace(completions=SimpleNamespace(create=self.create))

    async def create(self, **_: object) -> object:
        return self.chunks()

    async def chunks(self) -> AsyncIterator[object]:
        for _ in range(self._pieces):
            await asyncio.sleep(0.001)
            self.count += 1
            yield {"choices": [{"index": 0, "delta": {"content": "x"}}]}
        yield {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}


async def test_a_reader_who_waits_does_not_ask_for_each_piece(monkeypatch: pytest.MonkeyPatch) -> None:
    async with once(SteadyStream(300)) as chat:
        run, asked = chat.dispatcher.run_async, []

        async def counted(function: Callable[[Layers], Awaitable[object]]) -> object:
            asked.append(function)
            return await run(function)

        monkeypatch.setattr(chat.dispatcher, "run_async", counted)
        assert len([piece async for piece in chat.stream_async("Merhaba")]) == 300
        assert len(asked) < 100


async def test_a_reader_who_does_not_come_back_is_not_read_far_ahead_of() -> None:
    client = SteadyStream(3000)
    async with once(client) as chat, chat.stream_async("Merhaba") as stream:
        await anext(stream)
        seen = -1
        while seen != client.count:
            seen = client.count
            await asyncio.sleep(0.5)
        assert client.count < 70
        assert len([piece async for piece in stream]) == 2999
