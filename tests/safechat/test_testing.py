"""What safechat.testing gives to other people's tests."""

from __future__ import annotations

import time
from dataclasses import replace

import httpx2
import openai
import pytest

from safechat import (
    ChatClientWrapper,
    ChatReply,
    ChatRequest,
    ContextTooLong,
    RateLimited,
    ServerError,
    TruncatedReply,
    Usage,
)
from safechat.messages import Api
from safechat.retry import Retried
from safechat.runtime import clock
from safechat.testing import ScriptedClient, ScriptedHandler, no_waiting


def test_no_waiting_skips_backoff_and_retry_after() -> None:
    client = ScriptedClient(RateLimited("429", retry_after=50.0), ServerError("503"), "Merhaba!")
    started = time.monotonic()
    with no_waiting(), ChatClientWrapper(client) as chat:
        assert chat.generate("Merhaba").attempts == 3
    assert time.monotonic() - started < 45, "50 s of Retry-After were asked for"


def test_no_waiting_changes_no_decision() -> None:
    client = ScriptedClient(RateLimited("429", retry_after=500.0), "never")
    with no_waiting(), ChatClientWrapper(client) as chat, pytest.raises(RateLimited):
        chat.generate("Merhaba")


def test_no_waiting_ends_with_its_block() -> None:
    with no_waiting():
        assert clock.seconds(5) == 0
    assert clock.seconds(5) == 5


async def test_a_scripted_handler_follows_its_script_and_keeps_its_requests() -> None:
    handler = ScriptedHandler(ServerError("503"), ChatReply("hazır", "m"), "son")
    request = ChatRequest(({"role": "user", "content": "x"},), "m")
    with no_waiting():
        assert (await Retried(handler)(request)).text == "hazır"
    assert [(await handler(request)).text for _ in range(2)] == ["son", "son"]
    assert len(handler.requests) == 4


def test_a_scripted_client_streams_too() -> None:
    with ChatClientWrapper(ScriptedClient("bir iki üç")) as chat:
        assert list(chat.stream("say")) == ["bir", " iki", " üç"]


def sdk_error(status: int, **headers: str) -> openai.APIStatusError:
    request = httpx2.Request("POST", "https://api.openai.com/v1/chat/completions")
    response = httpx2.Response(status, headers=headers, request=request)
    code = "rate_limit_exceeded" if status == 429 else "context_length_exceeded"
    return openai.APIStatusError("Error", response=response, body={"message": "no", "code": code})


def test_a_scripted_client_raises_the_sdks_exceptions() -> None:
    timeout = openai.APITimeoutError(request=httpx2.Request("POST", "https://api.openai.com/v1"))
    client = ScriptedClient(sdk_error(429, **{"retry-after": "2"}), timeout, "Merhaba!")
    with no_waiting(), ChatClientWrapper(client) as chat:
        reply = chat.generate("Merhaba")
    assert (reply.text, reply.attempts) == ("Merhaba!", 3)


def test_an_exception_of_the_sdk_may_be_the_last_outcome() -> None:
    with ChatClientWrapper(ScriptedClient(sdk_error(400))) as chat:
        for _ in range(2):
            with pytest.raises(ContextTooLong):
                chat.generate("Merhaba")


CALL = {"id": "a", "type": "function", "function": {"name": "ara", "arguments": "{}"}}
USAGE = Usage(9, 5, 14, 2, 3)
REPLIES = {
    "text": ChatReply("bir  iki üç ", "m-1", finish_reason="stop", usage=USAGE, id="1"),
    "tool calls": ChatReply("", "m-1", finish_reason="tool_calls", usage=USAGE, tool_calls=(CALL,)),
    "tool calls and a text": ChatReply("bakıyorum", "m-1", finish_reason="tool_calls", tool_calls=(CALL,)),
    "reasoning": ChatReply("iki", "m-1", finish_reason="stop", reasoning="Hımm"),
}


by_each_api = pytest.mark.parametrize("api", ["chat", "responses"])


@by_each_api
@pytest.mark.parametrize("name", REPLIES)
@pytest.mark.parametrize("way", ["whole", "streamed"])
def test_a_scripted_reply_comes_as_it_is(name: str, way: str, api: Api) -> None:
    expected = REPLIES[name]
    with ChatClientWrapper(ScriptedClient(expected), api=api) as chat:
        if way == "whole":
            reply = chat.generate("Merhaba")
        else:
            stream = chat.stream("Merhaba")
            assert "".join(stream) == expected.text
            reply = stream.reply
    assert replace(reply, latency=0.0) == expected


@by_each_api
def test_a_scripted_reply_that_was_cut_is_cut(api: Api) -> None:
    with ChatClientWrapper(ScriptedClient(ChatReply("Mer", "m", finish_reason="length")), api=api) as chat:
        with pytest.raises(TruncatedReply):
            chat.generate("Merhaba")
        with pytest.raises(TruncatedReply):
            list(chat.stream("Merhaba"))


def test_a_reply_of_a_real_call_can_be_scripted() -> None:
    body = {"id": "1", "model": "m-1", "citations": ["x"],
            "choices": [{"message": {"content": "Merhaba!"}, "finish_reason": "stop"}]}  # fmt: skip
    with ChatClientWrapper(ScriptedClient(ChatReply("", "m", raw=body))) as chat:
        assert chat.generate("Merhaba").raw == body


def test_a_reply_of_one_api_can_be_scripted_for_both() -> None:
    with ChatClientWrapper(ScriptedClient(REPLIES["tool calls"]), api="responses") as chat:
        reply = chat.generate("Merhaba")
    for api in ("chat", "responses"):
        with ChatClientWrapper(ScriptedClient(reply), api=api) as chat:
            assert replace(chat.generate("Merhaba"), latency=0.0) == REPLIES["tool calls"]


@by_each_api
def test_a_list_is_a_stream_piece_by_piece(api: Api) -> None:
    with ChatClientWrapper(ScriptedClient(["Mer", "haba"]), api=api) as chat:
        assert list(chat.stream("Merhaba")) == ["Mer", "haba"]
        assert chat.generate("Merhaba").text == "Merhaba"


@by_each_api
def test_an_exception_in_a_list_breaks_the_stream_off(api: Api) -> None:
    with ChatClientWrapper(ScriptedClient(["Mer", ServerError("503")]), api=api) as chat:
        stream = chat.stream("Merhaba")
        assert next(stream) == "Mer"
        with pytest.raises(ServerError) as caught:
            next(stream)
    assert caught.value.partial_text == "Mer"


@pytest.mark.parametrize("kind", [ScriptedHandler, ScriptedClient])
@pytest.mark.parametrize("outcome", [5, None, {"choices": []}, b"x", ServerError, [1], [ChatReply("x", "m")]])
def test_what_is_no_outcome_is_refused(kind: type, outcome: object) -> None:
    with pytest.raises(TypeError, match="an outcome is a text"):
        kind("x", outcome)


@pytest.mark.parametrize("kind", [ScriptedHandler, ScriptedClient])
def test_an_empty_script_is_refused(kind: type) -> None:
    with pytest.raises(ValueError, match="at least one outcome"):
        kind()
