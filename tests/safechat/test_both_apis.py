"""The same code, by Chat Completions and by the Responses API, gives the same replies; on a real socket."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from typing import Any

import httpx2
import openai
import pytest
from pydantic import BaseModel

from clients import KEY, make_client
from key_sources import Source
from safechat import Budget, ChatClientWrapper, ChatReply, TruncatedReply
from safechat.messages import Api
from two_apis import Said, answering, chunks_of, events_of, in_form
from wire import Peer, Wire, http, wire

APIS: tuple[Api, ...] = ("chat", "responses")
PATHS = {"chat": "/chat/completions", "responses": "/responses"}


def azure(sdk: Callable[..., Any]) -> Callable[[Wire], object]:
    return lambda server: sdk(
        api_key=KEY, azure_endpoint=f"http://127.0.0.1:{server.port}", api_version="2025-04-01-preview"
    )


CLIENTS: dict[str, Callable[[Wire], object]] = {
    "AsyncOpenAI": lambda server: make_client("async", server.base_url),
    "OpenAI": lambda server: make_client("sync", server.base_url),
    "OpenAI in threads": lambda server: make_client("thread", server.base_url),
    "AzureOpenAI": azure(openai.AzureOpenAI),
    "AsyncAzureOpenAI": azure(openai.AsyncAzureOpenAI),
}
every_client = pytest.mark.parametrize("client_of", CLIENTS.values(), ids=CLIENTS)

Asked = Callable[[ChatClientWrapper], list[ChatReply]]


def by_each_api(client_of: Callable[[Wire], object], turns: tuple[Said, ...], ask: Asked) -> list[Wire]:
    """Ask by each API, and compare the replies; the servers hold what was sent."""
    servers, replies = [], []
    for api in APIS:
        with answering(*turns) as server, ChatClientWrapper(client_of(server), api=api) as chat:
            replies.append([replace(reply, latency=0.0) for reply in ask(chat)])
        assert [reply.api for reply in replies[-1]] == [api] * len(replies[-1])
        assert all(PATHS[api] in path for path in server.paths)
        assert len(server.paths) == len(turns)
        servers.append(server)
    by_chat, by_responses = replies
    assert by_chat == by_responses
    return servers


TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "weather",
            "description": "The weather of a city.",
            "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
        },
    }
]
TWO_CALLS = Said(
    calls=(("call_1", "weather", '{"city": "Ankara"}'), ("call_2", "weather", '{"city": "İzmir"}')),
    reasons=True,
)


def loop(chat: ChatClientWrapper) -> list[ChatReply]:
    messages: list[Any] = [{"role": "user", "content": "Ankara'da ve İzmir'de hava nasıl?"}]
    replies = []
    while True:
        replies.append(reply := chat.generate(messages, tools=TOOLS, tool_choice="auto"))
        messages.append(reply.message)
        if not reply.tool_calls:
            return replies
        for call in reply.tool_calls:
            messages.append({"role": "tool", "tool_call_id": call["id"], "content": "güneşli"})


@every_client
def test_a_loop_over_two_tool_calls(client_of: Callable[[Wire], object]) -> None:
    by_chat, by_responses = by_each_api(client_of, (TWO_CALLS, Said("İkisinde de güneşli.")), loop)
    messages: Any = by_chat.requests[-1]["messages"]
    assert [message["role"] for message in messages] == ["user", "assistant", "tool", "tool"]
    assert messages[1].keys() == {"role", "content", "tool_calls"}
    items: Any = by_responses.requests[-1]["input"]
    kinds = ["message", "reasoning", *["function_call"] * 2, *["function_call_output"] * 2]
    assert [item.get("type", "message") for item in items] == kinds
    assert items[1]["encrypted_content"] == "gAAA"
    assert by_responses.requests[-1]["store"] is False


class City(BaseModel):
    name: str
    people: int


@every_client
def test_a_structured_answer(client_of: Callable[[Wire], object]) -> None:
    def ask(chat: ChatClientWrapper) -> list[ChatReply]:
        reply = chat.generate("En kalabalık şehir?", parse=City)
        assert reply.parsed == City(name="İstanbul", people=15_700_000)
        return [reply]

    said = Said('{"name": "İstanbul", "people": 15700000}')
    by_chat, by_responses = by_each_api(client_of, (said,), ask)
    by_chat_asked: Any = by_chat.requests[0]["response_format"]
    by_responses_asked: Any = by_responses.requests[0]["text"]
    assert by_responses_asked["format"] == {"type": "json_schema", **by_chat_asked["json_schema"]}


@every_client
def test_a_question_about_an_image(client_of: Callable[[Wire], object]) -> None:
    image = "data:image/png;base64,iVBORw0KGgo="
    content = [
        {"type": "text", "text": "Resimde ne var?"},
        {"type": "image_url", "image_url": {"url": image}},
    ]
    _, by_responses = by_each_api(
        client_of, (Said("Bir kedi."),), lambda chat: [chat.generate([{"role": "user", "content": content}])]
    )
    items: Any = by_responses.requests[0]["input"]
    assert items[0]["content"][1] == {"type": "input_image", "image_url": image, "detail": "auto"}


@every_client
@pytest.mark.parametrize("said", [Said("Merhaba, dünya! 👋"), replace(TWO_CALLS, text="Bakıyorum.")], ids=str)
def test_a_stream(client_of: Callable[[Wire], object], said: Said) -> None:
    pieces: list[list[str]] = []

    def ask(chat: ChatClientWrapper) -> list[ChatReply]:
        stream = chat.stream("Merhaba", tools=TOOLS)
        pieces.append(list(stream))
        return [stream.reply]

    by_each_api(client_of, (said,), ask)
    by_chat, by_responses = pieces
    assert by_chat == by_responses
    assert "".join(by_chat) == said.text


def mocked_openai(api: Api, cut: bool) -> openai.AsyncOpenAI:
    """OpenAI, as far as the address goes: the price list has no other."""
    said = Said("Merhaba, dünya!", reasons=True)
    ends: dict[str, Any] = {"incomplete_details": {"reason": "max_output_tokens"}, "status": "incomplete"}
    if api == "responses":
        body, parts = {**said.response(), **(ends if cut else {})}, events_of
    else:
        body, parts = said.completion(), chunks_of
        body["choices"][0]["finish_reason"] = "length" if cut else "stop"

    def answer(request: httpx2.Request) -> httpx2.Response:
        if not json.loads(request.content).get("stream"):
            return httpx2.Response(200, json=body)
        return httpx2.Response(200, content=b"".join(parts(body)), headers=EVENT_STREAM)

    http_client = httpx2.AsyncClient(transport=httpx2.MockTransport(answer))
    return openai.AsyncOpenAI(api_key=KEY, http_client=http_client)


EVENT_STREAM = {"content-type": "text/event-stream"}


@pytest.mark.parametrize("cut", [False, True], ids=["whole", "cut"])
@pytest.mark.parametrize("streamed", [False, True], ids=["at once", "streamed"])
def test_usage_and_cost_are_equal(streamed: bool, cut: bool, caplog: pytest.LogCaptureFixture) -> None:
    paid = []
    for api in APIS:
        caplog.clear()
        budget, client = Budget(usd_per_day=1.0), mocked_openai(api, cut)
        with (
            caplog.at_level(logging.INFO, "safechat"),
            ChatClientWrapper(client, model="gpt-5-mini", api=api, budget=budget) as chat,
            pytest.raises(TruncatedReply) if cut else nullcontext(),
        ):
            if streamed:
                list(stream := chat.stream("Merhaba"))
                reply = stream.reply
            else:
                reply = chat.generate("Merhaba")
            assert reply.cost_usd == pytest.approx(budget.spent_usd)
        (call,) = [vars(record) for record in caplog.records if record.message == "chat.call"]
        tokens = {name: value for name, value in call.items() if name.endswith("_tokens")}
        assert sum(tokens.values()) == 9 + 5 + 2 + 3
        paid.append((tokens, call["cost_usd"], budget.spent_usd))
    by_chat, by_responses = paid
    assert by_chat == by_responses


@pytest.mark.parametrize("api", APIS)
def test_a_key_that_is_refused_is_read_again(api: Api) -> None:
    refused = b'{"error": {"message": "Incorrect API key", "code": "invalid_api_key"}}'

    def script(peer: Peer) -> None:
        first = len(server.requests) == 1
        source.answer = 2
        peer.say(http(refused, status="401 Unauthorized") if first else in_form(Said("Selam!"), server))

    source = Source(time.monotonic)
    with wire(script) as server:
        with ChatClientWrapper(make_client("sync", server.base_url), keys=source, api=api) as chat:
            assert chat.generate("Merhaba").text == "Selam!"
    assert len(server.requests) == 2
    assert all(PATHS[api] in path for path in server.paths)
