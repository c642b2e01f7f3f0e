"""A 200 that is no answer is an error of ours, whatever the client made of it."""

from __future__ import annotations

import json

import pytest

from clients import ALL_KINDS, KINDS, make_client, once
from safechat import (
    ChatError,
    ContentFiltered,
    EmptyReply,
    MalformedReply,
    RefusedReply,
    TruncatedReply,
)
from safechat.call.reply import read_reply
from safechat.messages import ChatRequest
from wire import completion, http, wire


def as_json(value: object) -> bytes:
    return json.dumps(value).encode()


WHOLE = as_json(completion())
REQUEST = ChatRequest(({"role": "user", "content": "Merhaba"},), "a")

BODIES: dict[str, tuple[bytes, type[ChatError]]] = {
    "html": (b"<html><body>Bad gateway</body></html>", MalformedReply),
    "cut json": (WHOLE[: len(WHOLE) // 2], MalformedReply),
    "a list": (b"[]", MalformedReply),
    "null": (b"null", MalformedReply),
    "an empty body": (b"", MalformedReply),
    "an error object": (as_json({"error": {"message": "overloaded", "code": "busy"}}), MalformedReply),
    "no choices": (as_json({**completion(), "choices": []}), MalformedReply),
    "null content": (as_json(completion(None)), EmptyReply),
    "empty content": (as_json(completion("")), EmptyReply),
    "length": (as_json(completion("Mer", finish_reason="length")), TruncatedReply),
    "content filter": (as_json(completion("", finish_reason="content_filter")), ContentFiltered),
    "choices is null": (as_json({**completion(), "choices": None}), MalformedReply),
    "a number": (b"42", MalformedReply),
    "a string": (b'"Merhaba"', MalformedReply),
    "bytes that are no text": (b"\xff\xfe\x00", MalformedReply),
    "white space": (as_json(completion(" \n")), EmptyReply),
    "a choice without a message": (as_json({**completion(), "choices": [{"index": 0}]}), MalformedReply),
    "a refusal": (
        as_json(completion(None, message={"role": "assistant", "content": None, "refusal": "Olmaz."})),
        RefusedReply,
    ),
}


@pytest.mark.parametrize("kind", ALL_KINDS)
@pytest.mark.parametrize("name", BODIES)
def test_a_200_that_is_no_answer_gives_its_class(kind: str, name: str) -> None:
    body, expected = BODIES[name]
    if kind == "plain" and name == "bytes that are no text":
        expected = MalformedReply  # urllib's own decoding fails: UnicodeDecodeError
    with wire(lambda peer: peer.say(http(body))) as server:
        with (
            once(make_client(kind, server.base_url)) as chat,
            pytest.raises(ChatError) as caught,
        ):
            chat.generate("Merhaba")
    assert type(caught.value) is expected
    assert caught.value.status in (200, None)
    assert len(server.requests) == 1


@pytest.mark.parametrize("kind", ALL_KINDS)
def test_html_with_the_content_type_of_html_is_malformed_too(kind: str) -> None:
    page = b"<html>proxy</html>"
    answer = http(page).replace(b"application/json", b"text/html")
    with wire(lambda peer: peer.say(answer)) as server:
        with (
            once(make_client(kind, server.base_url)) as chat,
            pytest.raises(MalformedReply, match="<html>proxy"),
        ):
            chat.generate("Merhaba")


@pytest.mark.parametrize("kind", ALL_KINDS)
def test_what_the_error_object_says_is_in_the_error(kind: str) -> None:
    body, _ = BODIES["an error object"]
    with wire(lambda peer: peer.say(http(body))) as server:
        with (
            once(make_client(kind, server.base_url)) as chat,
            pytest.raises(MalformedReply) as caught,
        ):
            chat.generate("Merhaba")
    assert "overloaded" in str(caught.value)
    assert caught.value.code == "busy"


@pytest.mark.parametrize("kind", ALL_KINDS)
def test_a_cut_answer_keeps_what_there_is_of_it(kind: str) -> None:
    body, _ = BODIES["length"]
    with (
        wire(lambda peer: peer.say(http(body))) as server,
        once(make_client(kind, server.base_url)) as chat,
    ):
        with pytest.raises(TruncatedReply) as caught:
            chat.generate("Merhaba")
        assert caught.value.partial_text == "Mer"
        assert chat.generate("Merhaba", allow_truncated=True).text == "Mer"


@pytest.mark.parametrize("kind", KINDS)
def test_an_answer_is_read_whole(kind: str) -> None:
    with (
        wire(lambda peer: peer.say(http(WHOLE))) as server,
        once(make_client(kind, server.base_url)) as chat,
    ):
        reply = chat.generate("Merhaba", temperature=0.2)
    assert (reply.text, reply.model, reply.finish_reason) == ("Merhaba!", "gpt-5-mini-2025-08-07", "stop")
    assert reply.usage is not None
    assert (reply.usage.total_tokens, reply.usage.cached_tokens, reply.usage.reasoning_tokens) == (14, 2, 3)
    assert f"Response: {reply}" == "Response: Merhaba!"
    assert reply.latency > 0
    assert server.requests[0] == {
        "messages": [{"role": "user", "content": "Merhaba"}],
        "model": "gpt-6.1-terra",
        "temperature": 0.2,
    }


@pytest.mark.parametrize("kind", ALL_KINDS)
def test_a_tool_call_without_text_is_an_answer(kind: str) -> None:
    call = {"id": "call_1", "type": "function", "function": {"name": "ara", "arguments": '{"q": "RAG"}'}}
    message = {"role": "assistant", "content": None, "tool_calls": [call]}
    body = as_json(completion(message=message, finish_reason="tool_calls"))
    with (
        wire(lambda peer: peer.say(http(body))) as server,
        once(make_client(kind, server.base_url)) as chat,
    ):
        reply = chat.generate("Merhaba")
    assert reply.text == ""
    assert reply.tool_calls == (call,)


def test_content_in_parts_is_one_text() -> None:
    parts = [{"type": "text", "text": "Mer"}, {"type": "text", "text": "haba"}]
    body = as_json(completion(message={"role": "assistant", "content": parts}))
    with (
        wire(lambda peer: peer.say(http(body))) as server,
        once(make_client("async", server.base_url)) as chat,
    ):
        assert chat.generate("Merhaba").text == "Merhaba"


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (completion("", finish_reason="content_filter"), "content_filter"),
        (completion("Mer", finish_reason="abort"), "abort"),
        (completion("Mer", finish_reason="length"), "length"),
        (completion(None, message={"role": "assistant", "refusal": "Olmaz."}), "refusal"),
        (completion(""), None),
    ],
)
def test_an_answer_that_is_none_has_the_code_of_what_went_wrong(
    answer: dict[str, object], code: str | None
) -> None:
    with pytest.raises(ChatError) as caught:
        read_reply(answer, REQUEST)
    assert caught.value.code == code


def test_a_refusal_is_quoted() -> None:
    with pytest.raises(RefusedReply) as caught:
        read_reply(completion(None, message={"role": "assistant", "refusal": "Olmaz."}), REQUEST)
    assert caught.value.quoted == ("Olmaz.",)


def test_an_object_of_a_client_may_know_its_request_id_itself() -> None:
    answer = {**completion(), "_request_id": "req_7"}
    assert read_reply(answer, REQUEST).request_id == "req_7"
    assert read_reply(answer, REQUEST, {"x-request-id": "req_8"}).request_id == "req_8"
