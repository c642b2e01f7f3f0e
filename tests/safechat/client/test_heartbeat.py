"""A wait for the next piece may be cancelled, by a heartbeat's time limit for example: it costs nothing."""

from __future__ import annotations

import asyncio
import gc
import itertools

import pytest

from clients import make_client, once
from safechat import AsyncChatStream, ServerError, TruncatedReply
from safechat.testing import ScriptedClient
from sse import DONE, HEAD, ROLE, USAGE, chunk, event, sends
from wire import Peer, wire

NUMBERS = [f"{number} " for number in range(300)]


async def read_with_heartbeats(stream: AsyncChatStream, *limits: float) -> tuple[list[str], int]:
    """All pieces, and how many waits for one timed out; the time limits come in turns."""
    pieces: list[str] = []
    timeouts = 0
    for seconds in itertools.cycle(limits):
        try:
            pieces.append(await asyncio.wait_for(anext(stream), seconds))
        except TimeoutError:
            timeouts += 1
        except StopAsyncIteration:
            break
    return pieces, timeouts


async def test_a_wait_that_timed_out_goes_on_with_the_next() -> None:
    go_on = asyncio.Event()
    loop = asyncio.get_running_loop()

    def script(peer: Peer) -> None:
        peer.say(HEAD + ROLE + chunk("Mer"))
        asyncio.run_coroutine_threadsafe(go_on.wait(), loop).result()
        peer.say(chunk("haba") + chunk(finish="stop") + USAGE + DONE)
        peer.close()

    with wire(script) as server:
        async with once(make_client("async", server.base_url)) as chat:
            stream = chat.stream_async("Merhaba")
            assert await anext(stream) == "Mer"
            for _ in range(3):
                with pytest.raises(TimeoutError):
                    await asyncio.wait_for(anext(stream), 0.01)
            go_on.set()
            assert [piece async for piece in stream] == ["haba"]
            assert stream.reply.text == "Merhaba"
            assert stream.reply.usage is not None
        assert len(server.requests) == 1


async def test_no_piece_is_lost_however_short_the_waits() -> None:
    script = sends(ROLE, *map(chunk, NUMBERS), chunk(finish="stop"), DONE)
    with wire(script) as server:
        async with once(make_client("async", server.base_url)) as chat:
            pieces, timeouts = await read_with_heartbeats(chat.stream_async("Merhaba"), 0.0, 0.0003, 5.0)
    assert pieces == NUMBERS
    assert timeouts


@pytest.mark.parametrize(
    ("end", "error"),
    [(event({"error": {"message": "overloaded"}}), ServerError), (b"", TruncatedReply)],
    ids=["an error event", "no end"],
)
async def test_a_stream_that_fails_between_two_waits_still_fails(end: bytes, error: type[Exception]) -> None:
    with wire(sends(ROLE, chunk("Mer"), 0.1, end)) as server:
        async with once(make_client("async", server.base_url)) as chat:
            with pytest.raises(error):
                await read_with_heartbeats(chat.stream_async("Merhaba"), 0.01)


@pytest.mark.parametrize("turns", range(1, 6))
async def test_a_piece_that_comes_while_its_wait_is_cancelled_is_there_for_the_next(turns: int) -> None:
    async with once(ScriptedClient("bir iki üç")) as chat:
        stream = chat.stream_async("say")
        pieces: list[str] = []
        while True:
            wait = asyncio.create_task(anext_of(stream))
            for _ in range(turns):  # of the reader's loop: the cancellation meets the piece at all its places
                await asyncio.sleep(0)
            wait.cancel()
            try:
                pieces.append(await wait)
            except asyncio.CancelledError:
                continue
            except EOFError:
                break
        assert "".join(pieces) == stream.reply.text == "bir iki üç"


async def anext_of(stream: AsyncChatStream) -> str:
    """The next piece; EOFError at the end, for a task cannot raise StopAsyncIteration as it is."""
    async for piece in stream:
        return piece
    raise EOFError


async def test_a_stream_whose_reader_was_cancelled_hangs_up_when_it_is_dropped() -> None:
    pings: list[bytes | float] = [b": ping\n\n", 0.02] * 5000
    with wire(sends(ROLE, chunk("Mer"), *pings)) as server:
        async with once(make_client("async", server.base_url)) as chat:
            stream = chat.stream_async("Merhaba")
            assert await anext(stream) == "Mer"
            with pytest.raises(TimeoutError) as caught:
                await asyncio.wait_for(anext(stream), 0.05)
            del stream
            gc.collect()
            assert await asyncio.to_thread(server.hung_up.wait, 60)
            assert caught.value.__cause__ is not None, "the traceback of the cancelled wait is still there"
