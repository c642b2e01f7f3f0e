"""Streams of the Responses API: what is text, what is life, and how they may end."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from clients import SDK_KINDS, make_client, once
from safechat import (
    ChatClientWrapper,
    ChatError,
    ChatReply,
    ConnectionFailed,
    ContentFiltered,
    RateLimited,
    RequestRejected,
    RequestTimedOut,
    RetryPolicy,
    ServerError,
    TruncatedReply,
)
from safechat.call.responses_events import Events
from safechat.messages import ChatRequest
from sse import event, sends
from two_apis import Said, events_of
from wire import Peer, call_item, reasoning_item, response, text_item, wire

WHOLE = list(events_of(response(text_item("Merhaba!"))))
CREATED = WHOLE[0]
TEXT = WHOLE[:-2]  # all but the end of the item and of the response


def kind(name: str, **fields: object) -> bytes:
    return event({"type": name, "sequence_number": 1, **fields})


def ended(status: str, **fields: object) -> bytes:
    return kind(f"response.{status}", response={**response(text_item("Merhaba!"), status=status), **fields})


CUT: dict[str, Any] = {"incomplete_details": {"reason": "max_output_tokens"}}
every_kind = pytest.mark.parametrize("client", SDK_KINDS)


def streamed(client: str, *parts: bytes | float, ends: str = "close", **options: Any) -> ChatReply:
    with wire(sends(*parts, ends=ends)) as server:
        with once(make_client(client, server.base_url), api="responses") as chat:
            stream = chat.stream("Merhaba", **options)
            assert "".join(stream) == stream.reply.text
            return stream.reply


def failed(client: str, expected: type[ChatError], *parts: bytes | float, **options: Any) -> ChatError:
    with pytest.raises(expected) as caught:
        streamed(client, *parts, **options)
    assert type(caught.value) is expected
    return caught.value


@every_kind
def test_the_pieces_are_the_text(client: str) -> None:
    assert streamed(client, *WHOLE).text == "Merhaba!"


@every_kind
def test_an_end_without_completed_is_truncated(client: str) -> None:
    error = failed(client, TruncatedReply, *TEXT)
    assert error.partial_text == "Merhaba!"
    assert "response.completed" in str(error)


def test_a_server_that_never_sends_completed_may_be_believed() -> None:
    items = [WHOLE[-2], kind("response.output_item.done", output_index=1, item=call_item("c", "f", "{}"))]
    reply = streamed("async", *TEXT, *items, strict_streams=False)
    assert (reply.text, len(reply.tool_calls), reply.finish_reason) == ("Merhaba!", 1, "tool_calls")


@pytest.mark.parametrize(
    "end",
    [b"", kind("response.completed", response=response()), ended("incomplete", output=None, **CUT)],
    ids=["none", "completed", "incomplete"],
)
def test_text_whose_item_has_not_come_whole_is_text(end: bytes) -> None:
    first = kind("response.output_item.done", output_index=0, item=text_item("Merhaba!"))
    more = kind("response.output_text.delta", delta=" Bakıyorum", output_index=1, content_index=0)
    reply = streamed("async", *TEXT, first, more, end, strict_streams=False, allow_truncated=True)
    assert reply.text == "Merhaba! Bakıyorum"


def test_items_come_from_their_own_events_where_the_end_has_none() -> None:
    completed = kind("response.completed", response=response())
    assert streamed("async", *WHOLE[:-1], completed).text == "Merhaba!"


@every_kind
def test_a_connection_that_breaks_after_completed_takes_nothing_away(client: str) -> None:
    assert streamed(client, *WHOLE, 0.2, ends="reset").text == "Merhaba!"


@every_kind
@pytest.mark.parametrize(
    ("end", "expected"),
    [
        (ended("failed", error={"code": "server_error", "message": "oldu"}), ServerError),
        (ended("failed", error={"code": "rate_limit_exceeded", "message": "yavaş"}), RateLimited),
        (kind("error", code="server_error", message="oldu", param=None), ServerError),
        (kind("error", code="invalid_image_url", message="oldu", param=None), RequestRejected),
        (kind("error", error={"code": "rate_limit_exceeded", "message": "yavaş"}), RateLimited),
        (kind("error", error={"code": "invalid_image_url", "message": "oldu"}), RequestRejected),
        (kind("error", code="server_is_overloaded", message="oldu", param=None), ServerError),
        (ended("incomplete", incomplete_details={"reason": "max_output_tokens"}), TruncatedReply),
        (ended("incomplete", incomplete_details={"reason": "content_filter"}), ContentFiltered),
    ],
    ids=range(9),
)
def test_the_end_says_what_went_wrong(client: str, end: bytes, expected: type[ChatError]) -> None:
    error = failed(client, expected, *TEXT, end)
    assert (error.partial_text, error.request_id) == ("Merhaba!", "req_9")
    assert not error.retryable, "the consumer has the beginning already"


@every_kind
def test_a_broken_connection_is_a_failed_one(client: str) -> None:
    assert failed(client, ConnectionFailed, *TEXT, 0.2, ends="reset").partial_text == "Merhaba!"


@every_kind
def test_keep_alives_are_no_sign_of_life(client: str) -> None:
    news = [CREATED, kind("keepalive"), kind("response.in_progress", response=response(status="in_progress"))]
    started = time.monotonic()
    parts: list[bytes | float] = [*news, 0.1] * 20
    failed(client, RequestTimedOut, *parts, timeout=0.5)
    assert time.monotonic() - started < 60


LIFE = {
    "reasoning": kind(
        "response.reasoning_summary_text.delta", delta="Hm", item_id="rs", output_index=0, summary_index=0
    ),
    "arguments": kind("response.function_call_arguments.delta", delta="{", item_id="fc", output_index=0),
    "hosted tool": kind("response.web_search_call.searching", item_id="ws", output_index=0),
}


def test_what_the_model_does_besides_is_a_sign_of_life() -> None:
    def text(life: bytes) -> str:
        pauses = [part for _ in range(6) for part in (life, 0.4)]
        return streamed("async", CREATED, *pauses, *WHOLE[2:], timeout=2.0).text

    with ThreadPoolExecutor(len(LIFE)) as pool:  # their waits overlap
        calls = {name: pool.submit(text, life) for name, life in LIFE.items()}
    assert {name: call.result() for name, call in calls.items()} == dict.fromkeys(LIFE, "Merhaba!")


def test_before_the_first_piece_a_stream_is_asked_for_again() -> None:
    thought = kind("response.output_item.done", output_index=0, item=reasoning_item(["Hm"]))
    broken = sends(CREATED, thought, kind("error", code="server_error", message="oldu", param=None))

    def script(peer: Peer) -> None:
        (broken if len(server.requests) == 1 else sends(*WHOLE))(peer)

    with wire(script) as server:
        client = make_client("async", server.base_url)
        with ChatClientWrapper(client, api="responses", retry=RetryPolicy(base=0.01)) as chat:
            stream = chat.stream("Merhaba")
            assert "".join(stream) == "Merhaba!"
            assert stream.reply.attempts == 2


def test_a_stream_begins_with_the_answer_and_not_with_its_announcement() -> None:
    begun: list[object] = []
    events = Events(ChatRequest((), "m", on_start=begun.append))
    assert not events.add({"type": "response.created", "response": response(status="in_progress")})
    assert not begun
    assert events.add({"type": "response.output_item.added", "output_index": 0, "item": {}})
    assert events.add({"type": "response.output_item.added", "output_index": 1, "item": {}})
    assert len(begun) == 1


def test_tool_calls_are_put_together() -> None:
    said = Said("Bakıyorum.", calls=(("call_1", "look_up", '{"a": "ğ"}'), ("call_2", "look_up", "{}")))
    reply = streamed("async", *events_of(said.response()))
    assert [call["id"] for call in reply.tool_calls] == ["call_1", "call_2"]
    assert reply.tool_calls[0]["function"] == {"name": "look_up", "arguments": '{"a": "ğ"}'}
