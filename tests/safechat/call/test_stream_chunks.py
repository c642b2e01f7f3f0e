"""What is taken from the chunks of a stream: its beginning, its end, and what it cost where it failed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from clients import KINDS, SDK_KINDS, make_client, once
from safechat import (
    BadReply,
    ChatError,
    ChatReply,
    ChatRequest,
    ConnectionFailed,
    ContentFiltered,
    DeadlineExceeded,
    EmptyReply,
    MalformedReply,
    RequestTimedOut,
    ServerError,
    TruncatedReply,
)
from safechat.call.layer import OpenAICall
from sse import DONE, ROLE, USAGE, chunk, event, sends
from wire import Peer, wire

every_kind = pytest.mark.parametrize("kind", KINDS)
sdk = pytest.mark.parametrize("kind", SDK_KINDS)


class Listener:
    """What a stream gives to the layers above the call, in its order."""

    def __init__(self) -> None:
        self.events: list[object] = []
        self.has_a_piece = asyncio.Event()

    async def on_piece(self, piece: str) -> None:
        self.events.append(piece)
        self.has_a_piece.set()

    def on_start(self, headers: Mapping[str, str]) -> None:
        self.events.append(dict(headers))


async def streamed(
    kind: str, script: Callable[[Peer], None], listener: Listener, *, timeout: float = 20.0
) -> ChatReply | ChatError:
    """The reply of one call, or its error."""
    with wire(script) as server:
        call = OpenAICall(make_client(kind, server.base_url), aiohttp=True)
        request = ChatRequest(
            ({"role": "user", "content": "Merhaba"},),
            "m",
            timeout=timeout,
            on_piece=listener.on_piece,
            on_start=listener.on_start,
        )
        try:
            return await call(request)
        except ChatError as error:
            return error
        finally:
            await call.aclose()


@every_kind
async def test_a_stream_begins_with_its_first_chunk_before_any_text(kind: str) -> None:
    listener = Listener()
    script = sends(ROLE, chunk("Mer"), chunk("haba"), chunk(finish="stop"), DONE)
    reply = await streamed(kind, script, listener)
    assert isinstance(reply, ChatReply)
    headers = listener.events[0]
    assert isinstance(headers, dict)
    assert listener.events[1:] == ["Mer", "haba"]
    assert headers.get("x-request-id") == (None if kind == "plain" else "req_9")


@every_kind
async def test_a_stream_that_fails_after_its_first_chunk_has_begun(kind: str) -> None:
    listener = Listener()
    error = await streamed(kind, sends(ROLE), listener)
    assert type(error) is TruncatedReply
    assert len(listener.events) == 1


@every_kind
@pytest.mark.parametrize(
    "script",
    [sends(), sends(b": ping\n\n"), sends(event({"error": {"message": "overloaded", "code": 503}}))],
    ids=["no chunk", "a keep-alive", "an error"],
)
async def test_a_stream_without_a_chunk_never_begins(kind: str, script: Callable[[Peer], None]) -> None:
    listener = Listener()
    assert isinstance(await streamed(kind, script, listener), ChatError)
    assert listener.events == []


FAILS_WITH_USAGE: dict[str, tuple[Callable[[Peer], None], type[ChatError]]] = {
    "no text": (sends(ROLE, chunk(finish="stop"), USAGE, DONE), EmptyReply),
    "cut at the limit": (sends(ROLE, chunk("Mer"), chunk(finish="length"), USAGE, DONE), TruncatedReply),
    "filtered": (sends(ROLE, chunk(finish="content_filter"), USAGE, DONE), ContentFiltered),
    "no finish_reason": (sends(ROLE, chunk("Mer"), USAGE), TruncatedReply),
    "broken off": (sends(ROLE, chunk("Mer"), chunk(finish="error"), USAGE, DONE), BadReply),
    "an error afterwards": (sends(ROLE, USAGE, event({"error": {"message": "overloaded"}})), ServerError),
}


@sdk
@pytest.mark.parametrize("name", FAILS_WITH_USAGE)
async def test_the_error_of_a_stream_says_what_its_usage_chunk_said(kind: str, name: str) -> None:
    script, expected = FAILS_WITH_USAGE[name]
    error = await streamed(kind, script, Listener())
    assert type(error) is expected
    assert error.usage is not None
    assert error.usage.total_tokens == 11


BREAKS_AFTER_A_PIECE: dict[str, tuple[Callable[[Peer], None], type[ChatError]]] = {
    "ends": (sends(ROLE, chunk("Mer")), TruncatedReply),
    "is reset": (sends(ROLE, chunk("Mer"), 0.2, ends="reset"), ConnectionFailed),
    "is silent": (sends(ROLE, chunk("Mer"), 30.0), RequestTimedOut),
    "a malformed chunk": (sends(ROLE, chunk("Mer"), event("{")), MalformedReply),
    "an error": (sends(ROLE, chunk("Mer"), event({"error": {"message": "overloaded"}})), ServerError),
}


@sdk
@pytest.mark.parametrize("name", BREAKS_AFTER_A_PIECE)
async def test_every_error_after_the_first_piece_keeps_the_text(kind: str, name: str) -> None:
    script, expected = BREAKS_AFTER_A_PIECE[name]
    error = await streamed(kind, script, Listener(), timeout=1.5 if name == "is silent" else 30.0)
    assert type(error) is expected
    assert error.partial_text == "Mer"
    assert (error.retryable, error.falls_back) == (False, False)


@sdk
@pytest.mark.parametrize(
    ("script", "timeout"),
    [
        (sends(ROLE, chunk("Mer"), chunk(finish="stop")), 30.0),
        (sends(ROLE, chunk("Mer"), chunk(finish="stop"), 0.2, ends="reset"), 30.0),
        (sends(ROLE, chunk("Mer"), chunk(finish="stop"), 30.0), 1.5),
    ],
    ids=["closed", "reset", "silent"],
)
async def test_an_answer_whose_finish_reason_came_needs_no_done(
    kind: str, script: Callable[[Peer], None], timeout: float
) -> None:
    reply = await streamed(kind, script, Listener(), timeout=timeout)
    assert isinstance(reply, ChatReply)
    assert (reply.text, reply.finish_reason) == ("Mer", "stop")


@sdk
async def test_an_error_within_a_choice_of_a_stream_breaks_the_answer_off(kind: str) -> None:
    problem = {"code": 502, "message": "Provider disconnected"}  # openrouter.ai/docs/api/reference/streaming
    choice = {"index": 0, "delta": {"content": ""}, "finish_reason": None, "error": problem}
    script = sends(ROLE, chunk("Mer"), event({"id": "1", "model": "m-1", "choices": [choice]}), DONE)
    error = await streamed(kind, script, Listener())
    assert type(error) is BadReply
    assert "Provider disconnected" in str(error)
    assert error.partial_text == "Mer"


def test_the_requests_first_listener_is_called_before_the_one_that_was_added() -> None:
    calls: list[str] = []
    request = ChatRequest((), "m", on_start=lambda headers: calls.append("first"))
    listening = request.also_on_start(lambda headers: calls.append("second"))
    assert listening.on_start is not None
    listening.on_start({})
    assert calls == ["first", "second"]


async def test_a_stream_that_was_cancelled_gives_no_reply() -> None:
    script = sends(ROLE, chunk("Mer"), chunk(finish="stop"), 30.0)
    listener = Listener()
    task = asyncio.ensure_future(streamed("async", script, listener))
    await listener.has_a_piece.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


THOUGHT: dict[str, Any] = {"content": [{"type": "thinking", "thinking": [{"text": "Hımm"}]}]}
REASONING = {
    "DeepSeek": chunk(reasoning_content="Hımm"),
    "OpenRouter": chunk(reasoning="Hımm", reasoning_details=[{"type": "reasoning.text", "text": "Hımm"}]),
    "Mistral": chunk(**THOUGHT),
    "a tool call": chunk(tool_calls=[{"index": 0, "id": "a", "function": {"name": "ara", "arguments": " "}}]),
}


@every_kind
async def test_reasoning_is_a_sign_of_life(kind: str) -> None:
    def thinks(thought: bytes) -> Callable[[Peer], None]:
        thoughts: list[bytes | float] = [thought, 0.1] * 20
        return sends(ROLE, *thoughts, chunk("Merhaba"), chunk(finish="stop"), DONE)

    calls = [streamed(kind, thinks(thought), Listener(), timeout=1.0) for thought in REASONING.values()]
    replies = dict(zip(REASONING, await asyncio.gather(*calls), strict=True))  # their waits overlap
    answered = {
        name for name, reply in replies.items() if isinstance(reply, ChatReply) and reply.text == "Merhaba"
    }
    assert answered == set(REASONING), replies


@sdk
def test_the_deadline_ends_reasoning_that_never_ends(kind: str) -> None:
    thoughts: list[bytes | float] = [REASONING["DeepSeek"], 0.05] * 2000
    with wire(sends(ROLE, *thoughts)) as server:
        with once(make_client(kind, server.base_url), timeout=1.0, deadline=0.5) as chat:
            with pytest.raises(DeadlineExceeded):
                list(chat.stream("Merhaba"))
