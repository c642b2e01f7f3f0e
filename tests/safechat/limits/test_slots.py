"""Calls at once, and the streams among them, on a clock that jumps."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from types import SimpleNamespace

from limited_apis import Streaming, gathered, limited, read, request
from safechat import ChatClientWrapper, RateLimits
from virtual_time import now, run
from wire import completion


def test_a_call_inside_the_loop_over_the_only_stream_does_not_wait_for_it() -> None:
    server = Streaming({}, first=0.1, seconds=30, pieces=3)
    waits: list[float] = []

    async def main() -> None:
        layer = limited(server, concurrency=1)

        async def consume(_: str) -> None:
            started = now()
            server.first = server.seconds = 0.1
            await layer(request())
            waits.append(now() - started)

        await layer(request(on_piece=consume))

    run(main())
    assert len(waits) == 3
    assert max(waits) < 1


def test_streams_inside_the_loops_over_streams_wait_for_none_of_them() -> None:
    server = Streaming({}, first=0.1, seconds=1, pieces=2)
    depths: list[int] = []

    async def main() -> None:
        layer = limited(server, concurrency=1)

        async def stream(depth: int) -> None:
            async def consume(_: str) -> None:
                if depth < 4:
                    await stream(depth + 1)

            await layer(request(on_piece=consume))
            depths.append(depth)

        await stream(1)

    run(main())
    assert depths.count(4) == 2**3


def test_a_stream_that_is_read_keeps_its_slot() -> None:
    server = Streaming({}, first=0.1, seconds=30)

    async def main() -> None:
        layer = limited(server, concurrency=2)
        streams = asyncio.gather(*(layer(request(on_piece=read)) for _ in range(2)))
        await asyncio.sleep(1)
        await gathered(layer, *(request() for _ in range(5)))
        await streams

    run(main())
    assert server.most == 2


def test_a_slot_that_was_lent_is_not_missing_and_not_there_twice() -> None:
    """Consumers are slow, and streams are cancelled while they wait for one; then all slots are free."""
    server = Streaming({}, first=0.1, seconds=3, pieces=3)

    async def slow(_: str) -> None:
        await asyncio.sleep(0.7)

    async def main() -> None:
        layer = limited(server, concurrency=3)
        streams = [asyncio.create_task(layer(request(on_piece=slow))) for _ in range(30)]
        for number, stream in enumerate(streams):
            await asyncio.sleep(0.23)
            if number % 3 == 0:
                stream.cancel()
        await asyncio.gather(*streams, return_exceptions=True)
        server.most, server.first, server.seconds = 0, 0, 1
        started = now()
        await gathered(layer, *(request() for _ in range(9)))
        assert server.most == 3
        assert now() - started < 3.1

    run(main())


class EndlessStreams:
    """A client whose streams bring a piece every 50 ms and never end."""

    def __init__(self) -> None:
        self.pieces = 0
        self.chat = SimpleNamespace(completions=SimpleNamespace(create=self.create))

    async def create(self, *, stream: bool = False, **_: object) -> object:
        return self.chunks() if stream else completion("tamam")

    async def chunks(self) -> AsyncIterator[object]:
        while True:
            self.pieces += 1
            delta = SimpleNamespace(content="x")
            yield SimpleNamespace(
                choices=[SimpleNamespace(index=0, delta=delta, finish_reason=None)], usage=None
            )
            await asyncio.sleep(0.05)


def test_a_wrapper_with_one_slot_answers_in_the_loop_over_its_stream() -> None:
    """The loop of the wrapper is on the real clock: what is counted are the pieces that came meanwhile."""
    client = EndlessStreams()
    with ChatClientWrapper(client, limits=RateLimits(concurrency=1)) as chat, chat.stream("Say") as stream:
        next(stream)
        assert chat.generate("Merhaba").text == "tamam"
        assert client.pieces < 64, "it did not wait until the stream could read no further ahead"
