"""Which API a call goes to: the wrapper's, the call's, the fallback's; and what `auto` learns."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from clients import PlainClient, make_client
from safechat import ChatClientWrapper, ChatQueue, ChatReply, RequestRejected
from safechat.messages import Api
from safechat.testing import ScriptedClient
from two_apis import Said, answering, in_form
from wire import Peer, Wire, http, wire

SELAM = Said("Selam!")
TOOLS = [{"type": "function", "function": {"name": "look_up"}}]
WITHOUT_TOOLS = (
    "Function tools with reasoning_effort are not supported for gpt-6.1-terra in /v1/chat/completions. "
    "To use function tools, use /v1/responses or set reasoning_effort to 'none'."
)
MOVED = "This model is only supported in v1/responses and not in v1/chat/completions."
OF_AZURE = "The chatCompletion operation does not work with the specified model, o3-pro."


def refusal(message: str, status: str = "400 Bad Request") -> bytes:
    error = {"message": message, "type": "invalid_request_error", "param": None, "code": None}
    return http(json.dumps({"error": error}).encode(), status=status)


@contextmanager
def serving(refuses: Callable[[dict[str, Any]], bytes | None]) -> Iterator[Wire]:
    """A server whose Chat Completions refuse what `refuses` gives an answer for."""

    def script(peer: Peer) -> None:
        refused = refuses(server.requests[-1]) if "/chat/" in server.paths[-1] else None
        peer.say(refused or in_form(SELAM, server))

    with wire(script) as server:
        yield server


def asked(server: Wire) -> list[str]:
    return ["chat" if "/chat/" in path else "responses" for path in server.paths]


def wrapped(server: Wire, api: Api, **options: Any) -> ChatClientWrapper:
    return ChatClientWrapper(make_client("async", server.base_url), api=api, **options)


async def test_every_way_to_call_takes_an_api_of_its_own() -> None:
    with answering(SELAM) as server:
        async with wrapped(server, "chat") as chat:
            replies: list[object] = [
                await chat.generate_async("a"),
                await chat.generate_async("a", api="responses"),
                *[item async for item in chat.map_async(["a"], api="responses")],
            ]
            stream = chat.stream_async("a", api="responses")
            assert [piece async for piece in stream]
            async with ChatQueue(chat) as queue:
                replies += [stream.reply, await (await queue.submit("a", api="responses"))]
                replies += [await queue.submit_nowait("a", api="responses")]
    assert asked(server) == ["chat", *["responses"] * 5]
    assert [reply.api for reply in replies if isinstance(reply, ChatReply)] == asked(server)


def test_the_synchronous_ways_do_too() -> None:
    with answering(SELAM) as server, wrapped(server, "responses") as chat:
        chat.generate("a")
        list(chat.stream("a", api="chat"))
        list(chat.map(["a"], api="chat"))
    assert asked(server) == ["responses", "chat", "chat"]


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize(
    ("message", "status"), [(MOVED, "404 Not Found"), (OF_AZURE, "400 Bad Request")], ids=["OpenAI", "Azure"]
)
def test_auto_learns_of_a_model_that_has_moved(
    streamed: bool, message: str, status: str, caplog: pytest.LogCaptureFixture
) -> None:
    with serving(
        lambda request: refusal(message, status) if request["model"] == "o3-pro" else None
    ) as server:
        with caplog.at_level(logging.INFO, "safechat"), wrapped(server, "auto") as chat:
            for model in ("o3-pro", "o3-pro", "another"):
                text = "".join(chat.stream("a", model)) if streamed else chat.generate("a", model).text
                assert text == "Selam!"
    assert asked(server) == ["chat", "responses", "responses", "chat"]
    (record,) = [record for record in caplog.records if record.message == "chat.api_switched"]
    assert (vars(record)["model"], vars(record)["api"]) == ("o3-pro", "responses")
    calls = [vars(record) for record in caplog.records if record.message == "chat.call"]
    assert [call.get("api") for call in calls] == ["responses", "responses", None]
    assert [call["outcome"] for call in calls] == ["ok"] * 3


def test_auto_learns_of_a_model_whose_tools_have_moved() -> None:
    def refuses(request: dict[str, Any]) -> bytes | None:
        wrong = request.get("tools") and request.get("reasoning_effort") != "none"
        return refusal(WITHOUT_TOOLS) if wrong else None

    with serving(refuses) as server, wrapped(server, "auto") as chat:
        for params in ({"tools": TOOLS}, {"tools": TOOLS}, {}, {"tools": TOOLS, "reasoning_effort": "none"}):
            assert chat.generate("a", **params).text == "Selam!"
    assert asked(server) == ["chat", "responses", "responses", "chat", "chat"]


def test_auto_asks_the_responses_api_for_what_only_that_has() -> None:
    with answering(SELAM) as server, wrapped(server, "auto") as chat:
        chat.generate("a", previous_response_id="resp_1")
    assert asked(server) == ["responses"]


def test_auto_stays_where_a_parameter_has_no_counterpart() -> None:
    with serving(lambda _: refusal(WITHOUT_TOOLS)) as server, wrapped(server, "auto") as chat:
        with pytest.raises(RequestRejected, match='api="responses"'):
            chat.generate("a", tools=TOOLS, stop=["."])
    assert asked(server) == ["chat"]


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"stop": ["."]}, "no counterpart for 'stop'"),
        ({"reasoning_effort": "low", "n": 2}, "no counterpart for 'n'"),
        ({"background": True}, "background=True"),
    ],
    ids=str,
)
def test_auto_refuses_what_neither_api_takes(params: dict[str, Any], message: str) -> None:
    with answering(SELAM) as server, wrapped(server, "auto") as chat:
        with pytest.raises((TypeError, ValueError), match=message):
            chat.generate("a", include=["reasoning.encrypted_content"], **params)
    assert not server.requests


def test_chat_does_not_switch() -> None:
    with serving(lambda _: refusal(WITHOUT_TOOLS)) as server, wrapped(server, "chat") as chat:
        with pytest.raises(RequestRejected):
            chat.generate("a", tools=TOOLS)
    assert asked(server) == ["chat"]


def test_auto_stays_with_a_client_that_has_no_responses_api() -> None:
    with serving(lambda _: refusal(WITHOUT_TOOLS)) as server:
        with ChatClientWrapper(PlainClient(server.base_url), api="auto") as chat:
            with pytest.raises(RequestRejected):
                chat.generate("a", tools=TOOLS)
    assert asked(server) == ["chat"]


@pytest.mark.parametrize(
    ("own", "fallback", "expected"),
    [
        ("chat", ("second", "responses"), ["chat", "responses"]),
        ("responses", ("second", "chat"), ["responses", "chat"]),
        ("responses", "second", ["responses", "responses"]),
    ],
    ids=str,
)
def test_a_fallback_may_name_its_api(own: Api, fallback: Any, expected: list[str]) -> None:
    def script(peer: Peer) -> None:
        gone = server.requests[-1]["model"] == "first"
        peer.say(refusal("The model `first` does not exist", "404") if gone else in_form(SELAM, server))

    with wire(script) as server, wrapped(server, own, model="first", fallbacks=[fallback]) as chat:
        assert chat.generate("a").text == "Selam!"
    assert asked(server) == expected


def test_a_fallback_on_another_client_may_name_its_api_too() -> None:
    with (
        serving(lambda _: refusal("The model `first` does not exist", "404")) as server,
        answering(SELAM) as other,
    ):
        second = make_client("async", other.base_url)
        with wrapped(server, "chat", fallbacks=[(second, "m", "responses")]) as chat:
            assert chat.generate("a").api == "responses"
    assert (asked(server), asked(other)) == (["chat"], ["responses"])


@pytest.mark.parametrize("name", ["stop", "n", "seed"])
def test_a_parameter_without_counterpart_is_refused_before_anything_is_sent(name: str) -> None:
    client = ScriptedClient("never")
    by_default = ChatClientWrapper(client, api="responses")
    by_fallback = ChatClientWrapper(client, fallbacks=[("m", "responses")])
    with by_default, by_fallback:
        for chat in (by_default, by_fallback):
            with pytest.raises(TypeError, match=f"'{name}'"):
                chat.generate("a", **{name: 7})  # type: ignore[arg-type]
        assert by_default.generate("a", api="chat", **{name: 7}).text == "never"  # type: ignore[arg-type]
    assert len(client.calls) == 1


def test_a_parameter_of_the_other_api_says_so() -> None:
    with answering(SELAM) as server, wrapped(server, "chat") as chat:
        with pytest.raises(TypeError, match="api='responses'"):
            chat.generate("a", previous_response_id="resp_1")
        with pytest.raises(TypeError, match="did you mean 'previous_response_id'"):
            chat.generate("a", previous_respons_id="resp_1", api="responses")
    assert not server.requests


@pytest.mark.parametrize("api", ["completions", None, 5, ["chat"]])
def test_a_wrong_api_is_refused(api: Any) -> None:
    with pytest.raises(ValueError, match="api must be one of 'chat', 'responses', 'auto'"):
        ChatClientWrapper(ScriptedClient("x"), api=api)


def test_a_client_without_the_api_is_refused() -> None:
    plain = PlainClient("http://127.0.0.1:1/v1")
    with pytest.raises(TypeError, match=r"\.responses\.create"):
        ChatClientWrapper(plain, api="responses")
    with ChatClientWrapper(plain) as chat, pytest.raises(TypeError, match=r"\.responses\.create"):
        chat.generate("a", api="responses")


@pytest.mark.parametrize("code", ["invalid_encrypted_content", None])
def test_reasoning_that_another_account_has_encrypted_is_left_out(
    code: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    calls = (("call_1", "look_up", "{}"),)
    words = "The encrypted content for item rs_1 could not be verified."
    error = {"message": words, "type": "invalid_request_error", "param": None, "code": code}

    def script(peer: Peer) -> None:
        items: Any = server.requests[-1]["input"]
        refused = any(item.get("encrypted_content") for item in items)
        body = json.dumps({"error": error}).encode()
        peer.say(http(body, status="400 Bad Request") if refused else in_form(SELAM, server))

    with answering(Said("Bakıyorum.", calls, reasons=True)) as first, wrapped(first, "responses") as chat:
        message = chat.generate("a", tools=TOOLS).message
    result = {"role": "tool", "tool_call_id": "call_1", "content": "42"}
    with wire(script) as server, wrapped(server, "responses") as chat:
        reply = chat.generate([{"role": "user", "content": "a"}, message, result])
    assert (reply.text, reply.attempts, len(server.requests)) == ("Selam!", 1, 2)
    sent: Any = server.requests[-1]["input"]
    kinds = ["message", "message", "function_call", "function_call_output"]
    assert [item.get("type", "message") for item in sent] == kinds
    assert not any("id" in item for item in sent)
    assert [record.message for record in caplog.records].count("chat.reasoning_dropped") == 1


def test_a_refusal_of_encrypted_content_without_reasoning_is_an_error() -> None:
    words = "The encrypted content could not be verified."
    with wire(lambda peer: peer.say(refusal(words))) as server, wrapped(server, "responses") as chat:
        with pytest.raises(RequestRejected, match="could not be verified"):
            chat.generate("a")
    assert len(server.requests) == 1


def test_what_a_response_had_besides_is_not_sent_to_chat_completions() -> None:
    calls = (("call_1", "look_up", "{}"),)
    with answering(Said(calls=calls, reasons=True), SELAM) as server, wrapped(server, "responses") as chat:
        message = chat.generate("a", tools=TOOLS).message
        result = {"role": "tool", "tool_call_id": "call_1", "content": "42"}
        chat.generate([{"role": "user", "content": "a"}, message, result], api="chat")
    sent: Any = server.requests[-1]["messages"]
    assert sent[1].keys() == {"role", "content", "tool_calls"}
