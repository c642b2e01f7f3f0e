"""What an answer says is read, from bytes, text, dicts and objects."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest

from safechat.call.reply import read_reply, read_usage
from safechat.errors import MalformedReply, TruncatedReply
from safechat.messages import ChatRequest
from safechat.usage import Usage

REQUEST = ChatRequest(messages=({"role": "user", "content": "Merhaba"},), model="gpt-5-mini")


def completion(
    content: object = "Selam!", *, finish_reason: str = "stop", **message: object
) -> dict[str, Any]:
    """A chat completion, as the API gives it."""
    answer = {"role": "assistant", "content": content, **message}
    return {
        "model": "gpt-5-mini-2025-08-07",
        "choices": [{"index": 0, "message": answer, "finish_reason": finish_reason}],
        "usage": {
            "prompt_tokens": 9,
            "completion_tokens": 5,
            "total_tokens": 14,
            "prompt_tokens_details": {"cached_tokens": 2},
        },
    }


def body(answer: object) -> bytes:
    return json.dumps(answer).encode()


@pytest.mark.parametrize("answer", [body(completion()), body(completion()).decode()], ids=["bytes", "str"])
def test_an_answer_is_read(answer: bytes | str) -> None:
    reply = read_reply(answer, REQUEST)
    assert reply.text == "Selam!"
    assert reply.finish_reason == "stop"


def test_a_client_may_have_made_an_object_of_it() -> None:
    answer = json.loads(body(completion()), object_hook=lambda pairs: SimpleNamespace(**pairs))
    assert read_reply(answer, REQUEST).text == "Selam!"


def test_the_text_keeps_its_white_space() -> None:
    assert read_reply(body(completion("  Selam!\n")), REQUEST).text == "  Selam!\n"


def test_a_text_in_parts_is_one_text() -> None:
    parts = [{"type": "text", "text": "Se"}, {"type": "text", "text": "lam!"}]
    assert read_reply(body(completion(parts)), REQUEST).text == "Selam!"


def test_the_tokens_are_counted() -> None:
    usage = read_reply(body(completion()), REQUEST).usage
    assert usage is not None
    counts = (usage.prompt_tokens, usage.completion_tokens, usage.total_tokens, usage.cached_tokens)
    assert counts == (9, 5, 14, 2)


def test_the_model_is_the_one_that_answered() -> None:
    assert read_reply(body(completion()), REQUEST).model == "gpt-5-mini-2025-08-07"
    nameless = {name: value for name, value in completion().items() if name != "model"}
    assert read_reply(body(nameless), REQUEST).model == "gpt-5-mini"


def test_tool_calls_that_are_objects_become_dicts() -> None:
    call = {"id": "call_1", "type": "function", "function": {"name": "ara", "arguments": "{}"}}
    answer = completion(None, finish_reason="tool_calls", tool_calls=[call])
    made = json.loads(body(answer), object_hook=lambda pairs: SimpleNamespace(**pairs))
    assert read_reply(made, REQUEST).tool_calls == (call,)


def test_other_servers_words_are_known() -> None:
    with pytest.raises(TruncatedReply):
        read_reply(body(completion("Sel", finish_reason="MAX_TOKENS")), REQUEST)


def test_the_request_id_is_kept() -> None:
    reply = read_reply(body(completion()), REQUEST, {"x-request-id": "req_7"})
    assert reply.request_id == "req_7"


def test_the_headers_are_kept() -> None:
    headers = {"x-ratelimit-limit-requests": "500"}
    assert read_reply(body(completion()), REQUEST, headers).headers == headers
    assert read_reply(body(completion()), REQUEST).headers == {}


def test_an_answer_without_a_choice_says_which_it_was() -> None:
    with pytest.raises(MalformedReply) as caught:
        read_reply(body({**completion(), "choices": []}), REQUEST, {"x-request-id": "req_7"})
    error = caught.value
    assert (error.request_id, error.model, error.status) == ("req_7", "gpt-5-mini-2025-08-07", 200)


def test_nesting_without_end_is_no_json() -> None:
    with pytest.raises(MalformedReply, match="not JSON"):
        read_reply(b"[" * 200_000, REQUEST)


@pytest.mark.parametrize("usage", [None, [], {}, [1], "9", {"prompt_tokens": 0}, {"total_tokens": -3}])
def test_a_usage_that_counts_nothing_is_none(usage: object) -> None:
    assert read_usage(usage) is None


def test_a_count_may_be_a_float_and_is_never_negative() -> None:
    usage = read_usage({"prompt_tokens": 9.0, "completion_tokens": -5, "total_tokens": float("inf")})
    assert usage == Usage(9, 0, 9)
