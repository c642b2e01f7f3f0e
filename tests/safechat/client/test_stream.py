"""Streams over real sockets: whole, broken in every way, left early, slow to be read."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from types import SimpleNamespace
from typing import Any

import pytest

from clients import KEY, SDK_KINDS, make_client, once
from safechat import (
    ChatClientWrapper,
    ChatError,
    ConnectionFailed,
    ContentFiltered,
    DeadlineExceeded,
    EmptyReply,
    MalformedReply,
    RateLimited,
    RateLimits,
    RequestTimedOut,
    RetryPolicy,
    ServerError,
    TruncatedReply,
)
from sse import DONE, HEAD, ROLE, USAGE, chunk, event, sends
from wire import Peer, Wire, http, wire

END = chunk(finish="stop") + USAGE + DONE


def repeated(part: bytes, seconds: float, times: int) -> list[bytes | float]:
    return [part, seconds] * times


def client_of(kind: str, server: Wire) -> object:
    return make_client(kind, server.base_url)


sdk = pytest.mark.parametrize("kind", SDK_KINDS)


def drained(chat: ChatClientWrapper, **options: Any) -> tuple[list[str], ChatError | None]:
    """The pieces that came, and what ended the stream."""
    pieces: list[str] = []
    try:
        for piece in chat.stream("Merhaba", **options):
            pieces.append(piece)
    except ChatError as error:
        return pieces, error
    return pieces, None


@sdk
def test_pieces_come_as_they_are_said_and_the_reply_at_the_end(kind: str) -> None:
    taken = threading.Event()

    def script(peer: Peer) -> None:
        peer.say(HEAD + ROLE + chunk("Mer"))
        taken.wait(60)
        peer.say(chunk("haba") + END)
        peer.close()

    with wire(script) as server, ChatClientWrapper(client_of(kind, server)) as chat:
        stream = chat.stream("Merhaba")
        with pytest.raises(RuntimeError, match="not come to its end"):
            _ = stream.reply
        assert next(stream) == "Mer"
        taken.set()  # the server says the rest only now
        assert list(stream) == ["haba"]
        assert (stream.reply.text, stream.reply.model, stream.reply.request_id) == ("Merhaba", "m-1", "req_9")
        assert stream.reply.usage is not None
        assert stream.reply.usage.total_tokens == 11
    assert server.requests[0]["stream_options"] == {"include_usage": True}


@sdk
async def test_stream_async_is_the_same_in_a_loop(kind: str) -> None:
    with wire(sends(ROLE, chunk("Mer"), chunk("haba"), END)) as server:
        async with ChatClientWrapper(client_of(kind, server)) as chat, chat.stream_async("Merhaba") as stream:
            assert "".join([piece async for piece in stream]) == "Merhaba"
            assert stream.reply.finish_reason == "stop"


JSON_BODY = http(json.dumps({"error": {"message": "no streams here"}}).encode())

BEFORE: dict[str, tuple[Callable[[Peer], None], type[ChatError]]] = {
    "ends at once": (sends(), TruncatedReply),
    "ends after the role": (sends(ROLE), TruncatedReply),
    "is reset": (sends(ROLE, 0.05, ends="reset"), ConnectionFailed),
    "a malformed chunk": (sends(ROLE, event('{"choices": [{"del'), chunk("x"), END), MalformedReply),
    "an error event": (
        sends(event({"error": {"message": "overloaded", "type": "server_error"}})),
        ServerError,
    ),
    "a rate limit event": (
        sends(event({"error": {"message": "slow", "code": "rate_limit_exceeded"}})),
        RateLimited,
    ),
    "an error in place of a stream": (lambda peer: peer.say(JSON_BODY), ServerError),
    "half a body in place of a stream": (lambda peer: peer.say(http(b'{"choices": [')), MalformedReply),
    "only keep-alives": (sends(ROLE, *repeated(b": ping\n\n", 0.05, 200)), RequestTimedOut),
    "empty chunks as keep-alives": (sends(ROLE, *repeated(chunk(""), 0.05, 200)), RequestTimedOut),
    "silence": (sends(ROLE, 20.0), RequestTimedOut),
    "no text at all": (sends(ROLE, END), EmptyReply),
    "a content filter": (sends(ROLE, chunk(finish="content_filter"), event("[DONE]")), ContentFiltered),
}


@sdk
@pytest.mark.parametrize("name", BEFORE)
def test_a_stream_that_breaks_before_its_first_piece_gives_its_class(kind: str, name: str) -> None:
    script, expected = BEFORE[name]
    timeout = 0.3 if expected is RequestTimedOut else 20.0
    with wire(script) as server, once(client_of(kind, server), timeout=timeout) as chat:
        pieces, error = drained(chat)
    assert pieces == []
    assert type(error) is expected
    assert KEY not in repr(error)
    assert error is not None
    assert error.__context__ is None


@sdk
@pytest.mark.parametrize("name", [name for name in BEFORE if name != "a content filter"])
def test_before_the_first_piece_a_stream_is_tried_again(kind: str, name: str) -> None:
    broken, _ = BEFORE[name]
    scripts = [broken, sends(ROLE, chunk("Merhaba"), END)]
    with wire(lambda peer: scripts.pop(0)(peer)) as server:
        retry = RetryPolicy(attempts=2, base=0.01)
        with ChatClientWrapper(client_of(kind, server), timeout=1, retry=retry) as chat:
            stream = chat.stream("Merhaba")
            assert "".join(stream) == "Merhaba"
            assert stream.reply.attempts == 2


AFTER: dict[str, tuple[Callable[[Peer], None], type[ChatError]]] = {
    "ends": (sends(ROLE, chunk("Mer")), TruncatedReply),
    "is reset": (sends(ROLE, chunk("Mer"), 0.1, ends="reset"), ConnectionFailed),
    "a malformed chunk": (sends(ROLE, chunk("Mer"), event("{")), MalformedReply),
    "an error event": (sends(ROLE, chunk("Mer"), event({"error": {"message": "overloaded"}})), ServerError),
    "keep-alives": (sends(ROLE, chunk("Mer"), *repeated(b": ping\n\n", 0.05, 200)), RequestTimedOut),
    "silence": (sends(ROLE, chunk("Mer"), 20.0), RequestTimedOut),
    "length": (sends(ROLE, chunk("Mer"), chunk(finish="length"), event("[DONE]")), TruncatedReply),
}


@sdk
@pytest.mark.parametrize("name", AFTER)
def test_after_the_first_piece_a_stream_is_never_tried_again(kind: str, name: str) -> None:
    script, expected = AFTER[name]
    with wire(script) as server:
        with ChatClientWrapper(client_of(kind, server), timeout=1, fallbacks=["other"]) as chat:
            pieces, error = drained(chat)
        assert pieces == ["Mer"]
        assert type(error) is expected
        assert len(server.requests) == 1
        if isinstance(error, TruncatedReply):
            assert error.partial_text == "Mer"


@sdk
def test_an_end_without_a_finish_reason_is_believed_when_asked_for(kind: str) -> None:
    with wire(sends(ROLE, chunk("Mer"), event("[DONE]"))) as server:
        with ChatClientWrapper(client_of(kind, server), strict_streams=False) as chat:
            assert drained(chat) == (["Mer"], None)
        with once(client_of(kind, server)) as chat:
            assert drained(chat, strict_streams=False) == (["Mer"], None)


@sdk
def test_a_stream_falls_back_before_its_first_piece(kind: str) -> None:
    def script(peer: Peer) -> None:
        answer = sends(ROLE, chunk("Merhaba"), END) if server.requests[-1]["model"] == "b" else sends(ROLE)
        answer(peer)

    with wire(script) as server:
        retry = RetryPolicy(attempts=1)
        with ChatClientWrapper(client_of(kind, server), model="a", fallbacks=["b"], retry=retry) as chat:
            assert drained(chat) == (["Merhaba"], None)


@sdk
def test_leaving_early_hangs_up_and_frees_the_slot(kind: str) -> None:
    script = sends(ROLE, chunk("Mer"), *repeated(chunk("x"), 0.02, 2000))
    with wire(script) as server:
        with ChatClientWrapper(client_of(kind, server), limits=RateLimits(concurrency=1)) as chat:
            with chat.stream("Merhaba") as stream:
                assert next(stream) == "Mer"
            assert server.hung_up.wait(60)
            server.script = sends(ROLE, chunk("Yine"), END)
            assert drained(chat, deadline=20) == (["Yine"], None)


async def test_cancelling_the_consumer_hangs_up() -> None:
    script = sends(ROLE, chunk("Mer"), *repeated(chunk("x"), 0.02, 2000))
    with wire(script) as server:
        async with ChatClientWrapper(client_of("async", server)) as chat:

            async def consume() -> None:
                async for _ in chat.stream_async("Merhaba"):
                    pass

            task = asyncio.create_task(consume())
            await asyncio.to_thread(server.asked.wait, 60)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            assert await asyncio.to_thread(server.hung_up.wait, 60)


def test_closing_from_another_thread_gives_a_waiting_reader_an_error_of_ours() -> None:
    script = sends(ROLE, chunk("Mer"), *repeated(b": ping\n\n", 0.02, 2000))
    with wire(script) as server, ChatClientWrapper(client_of("async", server)) as chat:
        stream = chat.stream("Merhaba")
        assert next(stream) == "Mer"
        with ThreadPoolExecutor(1) as pool:
            reading = pool.submit(next, stream)
            assert not wait([reading], 0.1).done
            stream.close()
            with pytest.raises(ChatError, match="the stream was closed while it was being read"):
                reading.result()
        assert server.hung_up.wait(60)


def test_closing_from_another_thread_between_two_pieces_is_no_quiet_end() -> None:
    with ChatClientWrapper(plain(parts)) as chat:
        stream = chat.stream("Merhaba")
        assert next(stream) == "Mer"
        with ThreadPoolExecutor(1) as pool:
            pool.submit(stream.close).result()
        with pytest.raises(ChatError, match="the stream was closed while it was being read"):
            next(stream)


async def test_closing_from_another_task_gives_the_reader_an_error_of_ours() -> None:
    with wire(sends(ROLE, chunk("Mer"), *repeated(b": ping\n\n", 0.02, 2000))) as server:
        async with ChatClientWrapper(client_of("async", server)) as chat:
            stream = chat.stream_async("Merhaba")
            assert await anext(stream) == "Mer"

            async def read() -> str:
                return await anext(stream)

            reading = asyncio.create_task(read())
            await asyncio.sleep(0)
            await stream.aclose()
            with pytest.raises(ChatError, match="the stream was closed while it was being read"):
                await reading


async def test_a_reader_that_closes_its_own_stream_gets_its_end() -> None:
    with ChatClientWrapper(plain(parts)) as chat:
        stream = chat.stream("Merhaba")
        assert next(stream) == "Mer"
        stream.close()
        assert list(stream) == []
        stream_async = chat.stream_async("Merhaba")
        assert await anext(stream_async) == "Mer"
        await stream_async.aclose()
        assert [piece async for piece in stream_async] == []


def test_a_stream_that_is_dropped_hangs_up() -> None:
    script = sends(ROLE, chunk("Mer"), *repeated(chunk("x"), 0.02, 2000))
    with wire(script) as server, ChatClientWrapper(client_of("async", server)) as chat:
        stream = chat.stream("Merhaba")
        assert next(stream) == "Mer"
        del stream
        gc.collect()
        assert server.hung_up.wait(60)


@sdk
def test_a_slow_consumer_is_waited_for_and_does_not_time_out(kind: str) -> None:
    with wire(sends(ROLE, *[chunk("x")] * 100, END)) as server:
        with ChatClientWrapper(client_of(kind, server), timeout=1) as chat:
            stream = chat.stream("Merhaba")
            assert next(stream) == "x"
            threading.Event().wait(1.5)  # longer than the limit, with 99 pieces waiting behind
            assert len(list(stream)) == 99


@sdk
def test_the_deadline_ends_a_stream(kind: str) -> None:
    with wire(sends(ROLE, *repeated(chunk("x"), 0.05, 2000))) as server:
        with ChatClientWrapper(client_of(kind, server), deadline=1.5) as chat:
            pieces, error = drained(chat)
    assert pieces
    assert type(error) is DeadlineExceeded


@sdk
def test_fragments_of_tool_calls_come_together(kind: str) -> None:
    def call(index: int, **function: str) -> bytes:
        return chunk(
            tool_calls=[
                {"index": index, "function": function, **({"id": f"c{index}"} if "name" in function else {})}
            ]
        )

    parts = [
        call(0, name="ara", arguments=""),
        call(0, arguments='{"q":'),
        call(1, name="yaz", arguments="{}"),
        call(0, arguments=' "RAG"}'),
    ]
    with wire(sends(ROLE, *parts, chunk(finish="tool_calls"), event("[DONE]"))) as server:
        with ChatClientWrapper(client_of(kind, server)) as chat:
            stream = chat.stream("Merhaba", tools=[])
            assert list(stream) == []
    assert stream.reply.tool_calls == (
        {"id": "c0", "type": "function", "function": {"name": "ara", "arguments": '{"q": "RAG"}'}},
        {"id": "c1", "type": "function", "function": {"name": "yaz", "arguments": "{}"}},
    )


def plain(chunks: Callable[[], object]) -> object:
    return SimpleNamespace(chat=SimpleNamespace(completions=SimpleNamespace(create=lambda **_: chunks())))


def parts() -> Iterator[object]:
    yield {"choices": [{"delta": {"content": "Mer"}}]}
    yield SimpleNamespace(
        choices=[SimpleNamespace(delta=SimpleNamespace(content="haba"), finish_reason="stop")]
    )


async def parts_async() -> AsyncIterator[object]:
    for part in parts():
        yield part


async def parts_awaited() -> object:
    return parts_async()


@pytest.mark.parametrize("chunks", [parts, parts_async, parts_awaited, lambda: list(parts())])
def test_a_plain_object_may_give_any_kind_of_iterable(chunks: Callable[[], object]) -> None:
    with ChatClientWrapper(plain(chunks)) as chat:
        assert drained(chat) == (["Mer", "haba"], None)


@pytest.mark.parametrize("chunks", [lambda: "metin", lambda: {"choices": []}, lambda: None])
def test_a_plain_object_that_gives_no_stream_is_an_error_of_ours(chunks: Callable[[], object]) -> None:
    with once(plain(chunks)) as chat:
        pieces, error = drained(chat)
    assert pieces == []
    assert isinstance(error, ChatError)
    assert "in place of a stream" in str(error)


def test_wrong_input_raises_before_anything_is_sent() -> None:
    with ChatClientWrapper(plain(parts)) as chat:
        with pytest.raises(ValueError, match="empty"):
            chat.stream("")
        with pytest.raises(ValueError, match="timeout"):
            chat.stream_async("Merhaba", timeout=0)


def open_sockets() -> int:
    return len([number for number in os.listdir("/proc/self/fd") if _is_socket(number)])


def _is_socket(descriptor: str) -> bool:
    try:
        return os.readlink(f"/proc/self/fd/{descriptor}").startswith("socket:")
    except OSError:
        return False


@pytest.mark.skipif(not os.path.exists("/proc/self/fd"), reason="counts sockets as Linux shows them")
@sdk
@pytest.mark.parametrize(
    ("script", "timeout"),
    [(lambda peer: peer.say(JSON_BODY), 5.0), (lambda peer: (peer.pause(0.4), sends(ROLE, 3.0)(peer)), 0.2)],
    ids=["json in place of a stream", "the headers come too late"],
)
def test_a_stream_that_fails_at_its_start_leaves_no_connection(
    kind: str, script: Callable[[Peer], None], timeout: float
) -> None:
    with wire(script) as server, once(client_of(kind, server), timeout=timeout) as chat:
        drained(chat)
        before = open_sockets()
        for _ in range(8):
            drained(chat)
        give_up = time.monotonic() + 60
        while open_sockets() > before + 4:
            assert time.monotonic() < give_up, "connections stay open"
            time.sleep(0.05)


def test_a_stream_keeps_its_wrapper_alive() -> None:
    def ask() -> Iterator[str]:
        return ChatClientWrapper(plain(parts)).stream("Merhaba")

    gc.collect()
    assert list(ask()) == ["Mer", "haba"]


def test_closing_a_stream_after_its_wrapper_is_no_error() -> None:
    with ChatClientWrapper(plain(parts)) as chat:
        stream = chat.stream("Merhaba")
        list(stream)
    stream.close()


def test_of_several_choices_the_first_is_streamed() -> None:
    def two() -> Iterator[object]:
        for piece in ("a", "b"):
            for index, text in enumerate((piece, piece.upper())):
                yield {"choices": [{"index": index, "delta": {"content": text}}]}
        yield {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}

    with ChatClientWrapper(plain(two)) as chat:
        assert drained(chat) == (["a", "b"], None)
