"""Calls at once, and the streams among them, on a clock that jumps."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from types import SimpleNamespace

import pytest

from limited_apis import Streaming, gathered, limited, read, request
from safechat import ChatClientWrapper, RateLimits
from safechat.limits.slots import Slot, Slots
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


@pytest.mark.parametrize("lends", [1, 2])
@pytest.mark.parametrize("ends_lent", [False, True])
def test_however_a_slot_was_lent_there_is_one_of_it_at_the_end(lends: int, ends_lent: bool) -> None:
    async def main() -> None:
        slots = Slots(1)
        await slots.acquire()
        slot = Slot(slots)
        for _ in range(lends):
            slot.lend()
        await asyncio.sleep(1)
        await slots.acquire()  # another call has it meanwhile
        if ends_lent:
            slot.end()
        for _ in range(lends):
            await slot.take_back()
        if not ends_lent:
            slot.end()
        slots.release()
        await slots.acquire()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(slots.acquire(), 1)

    run(main())


def test_a_slot_with_two_reasons_to_be_lent_is_taken_back_after_both() -> None:
    """The stream waits with a piece, and its consumer is still busy with the one before."""

    async def main() -> None:
        slots = Slots(1)
        await slots.acquire()
        slot = Slot(slots)
        slot.lend()
        slot.lend()
        await slot.take_back()
        await asyncio.wait_for(slots.acquire(), 1)
        slots.release()
        await slot.take_back()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(slots.acquire(), 1)

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


class SilentStream:
    """A client whose stream brings a piece, and the next one only when `goes_on` is set."""

    def __init__(self) -> None:
        self.goes_on = threading.Event()
        self.chat = SimpleNamespace(completions=SimpleNamespace(create=self.create))

    async def create(self, *, stream: bool = False, **_: object) -> object:
        return self.chunks() if stream else completion("tamam")

    async def chunks(self) -> AsyncIterator[object]:
        yield self.chunk(None)
        while not self.goes_on.is_set():  # noqa: ASYNC110 - the event is a thread's
            await asyncio.sleep(0.002)
        yield self.chunk("stop")

    def chunk(self, finish_reason: str | None) -> object:
        choice = SimpleNamespace(index=0, delta=SimpleNamespace(content="x"), finish_reason=finish_reason)
        return SimpleNamespace(choices=[choice], usage=None)


def test_a_call_in_the_loop_over_a_stream_does_not_wait_for_a_model_that_is_silent() -> None:
    client = SilentStream()
    with ChatClientWrapper(client, timeout=60, limits=RateLimits(concurrency=1)) as chat:
        with chat.stream("Say") as stream:
            next(stream)
            assert chat.generate("Merhaba", deadline=30).text == "tamam"
            client.goes_on.set()
            assert list(stream) == ["x"]
        assert chat.generate("Merhaba", deadline=30).text == "tamam"
