"""The drop-in client's `responses.create`: through all layers, streams included, as it was written."""

from __future__ import annotations

import json
from typing import Any

import openai
import pytest
from pydantic import BaseModel

from clients import make_client
from safechat import ChatClientWrapper, RateLimits, RetryPolicy
from safechat.messages import Api
from sse import event, sends
from two_apis import Said, answering, events_of, in_form
from wire import Peer, Wire, http, response, text_item, wire

APIS: tuple[Api, ...] = ("chat", "responses")
QUICK = RetryPolicy(base=0.01)
ERROR = json.dumps({"error": {"message": "oldu", "type": "server_error", "code": None, "param": None}})
FAILED = http(ERROR.encode(), status="503 Service Unavailable")
INPUT: Any = [
    {"role": "user", "content": "Merhaba"},
    {"type": "function_call_output", "call_id": "call_1", "output": "42"},
]
TOOL: Any = {"type": "function", "name": "look_up", "parameters": {"type": "object"}, "strict": False}


def wrapped(server: Wire, kind: str = "async", **options: Any) -> ChatClientWrapper:
    return ChatClientWrapper(make_client(kind, server.base_url), retry=QUICK, **options)


@pytest.mark.parametrize("kind", ["async", "thread"])
def test_the_request_goes_as_it_was_written(kind: str) -> None:
    with answering(Said("Selam!")) as server, wrapped(server, kind) as chat:
        answer = chat.openai().responses.create(
            model="m", input=INPUT, tools=[TOOL], previous_response_id="resp_0", extra_body={"own": 1}
        )
    assert answer.output_text == "Selam!"
    assert server.requests == [
        {"model": "m", "input": INPUT, "tools": [TOOL], "previous_response_id": "resp_0", "own": 1}
    ]


@pytest.mark.parametrize("kind", ["async", "thread"])
def test_the_events_of_a_stream_come_as_they_were_sent(kind: str) -> None:
    said = Said("Selam, dünya! 👋", calls=(("call_1", "look_up", "{}"),), reasons=True)
    with answering(said) as server:
        asked: Any = {"model": "m", "input": "Merhaba", "stream": True}
        bare = openai.OpenAI(api_key="sk-test-0123456789", base_url=server.base_url, max_retries=0)
        expected = [made.model_dump() for made in bare.responses.create(**asked)]
        with wrapped(server, kind) as chat:
            events = [made.model_dump() for made in chat.openai().responses.create(**asked)]
    assert events == expected
    assert server.requests[0] == server.requests[1]


async def test_the_sdks_helper_for_streams_takes_it_from_an_asynchronous_client() -> None:
    with answering(Said("Selam!")) as server:
        async with wrapped(server) as chat:
            async with chat.async_openai().responses.stream(model="m", input="Merhaba") as stream:
                pieces = [made.delta async for made in stream if made.type == "response.output_text.delta"]
                final = await stream.get_final_response()
    assert "".join(pieces) == final.output_text == "Selam!"


class City(BaseModel):
    name: str


def test_the_sdks_parse_takes_it() -> None:
    with answering(Said('{"name": "Van"}')) as server, wrapped(server) as chat:
        parsed = chat.openai().responses.parse(model="m", input="Merhaba", text_format=City)
    assert parsed.output_parsed == City(name="Van")


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize(
    "options", [{}, {"fallbacks": [("other", "chat"), "second"]}], ids=["retried", "falls back"]
)
def test_a_failure_is_tried_again_and_falls_back(streamed: bool, options: dict[str, Any]) -> None:
    def script(peer: Peer) -> None:
        fails = server.requests[-1]["model"] == "m" and (bool(options) or len(server.requests) == 1)
        peer.say(FAILED if fails else in_form(Said("Selam!"), server))

    with wire(script) as server, wrapped(server, **options) as chat:
        answer: Any = chat.openai().responses.create(model="m", input="Merhaba", stream=streamed)
        text = list(answer)[-1].response.output_text if streamed else answer.output_text
    assert text == "Selam!"
    assert server.requests[-1]["model"] == ("second" if options else "m")
    assert all("/responses" in path for path in server.paths)


def test_a_stream_that_fails_before_its_answer_begins_is_asked_for_again() -> None:
    created = next(events_of(response()))
    error = event({"type": "error", "code": "server_error", "message": "oldu", "sequence_number": 1})

    def script(peer: Peer) -> None:
        first = len(server.requests) == 1
        sends(*([created, error] if first else events_of(response(text_item("Selam!")))))(peer)

    with wire(script) as server, wrapped(server) as chat:
        events: Any = list(chat.openai().responses.create(model="m", input="Merhaba", stream=True))
    assert [made.type for made in events].count("response.created") == 1
    assert events[-1].response.output_text == "Selam!"


def test_a_stream_that_breaks_off_is_an_error_of_the_sdk() -> None:
    parts = list(events_of(response(text_item("Selam!"))))[:-2]
    with wire(sends(*parts)) as server, wrapped(server) as chat:
        stream = chat.openai().responses.create(model="m", input="Merhaba", stream=True)
        with pytest.raises(openai.APIError, match="broke off"):
            list(stream)


@pytest.mark.parametrize("streamed", [False, True])
def test_a_cut_response_is_an_answer_to_the_sdk(streamed: bool) -> None:
    cut = response(text_item("Sel"), status="incomplete", incomplete_details={"reason": "max_output_tokens"})
    if streamed:
        script = sends(*events_of(cut))
    else:

        def script(peer: Peer) -> None:
            peer.say(http(json.dumps(cut).encode()))

    with wire(script) as server, wrapped(server) as chat:
        answer: Any = chat.openai().responses.create(model="m", input="Merhaba", stream=streamed)
        final = list(answer)[-1].response if streamed else answer
    assert (final.status, final.output_text) == ("incomplete", "Sel")


@pytest.mark.parametrize(
    "body",
    [
        response({"type": "image_generation_call", "id": "ig_1", "status": "completed", "result": "AA=="}),
        response(status="queued"),
    ],
    ids=["an image", "in the background"],
)
def test_an_answer_without_text_is_one(body: dict[str, Any]) -> None:
    with wire(lambda peer: peer.say(http(json.dumps(body).encode()))) as server, wrapped(server) as chat:
        answer = chat.openai().responses.create(model="m", input="Merhaba", background=True)
    assert answer.id == "resp_1"
    assert len(server.requests) == 1


def test_a_stored_response_comes_as_it_is() -> None:
    body = response(text_item("Selam!"))
    with wire(lambda peer: peer.say(http(json.dumps(body).encode()))) as server, wrapped(server) as chat:
        responses = chat.openai().responses
        answers = [responses.retrieve("resp_1"), responses.cancel("resp_1")]
        with pytest.raises(openai.BadRequestError, match="does not go through the wrapper"):
            responses.retrieve("resp_1", stream=True)
    assert [answer.output_text for answer in answers] == ["Selam!", "Selam!"]
    assert server.paths == ["/v1/responses/resp_1", "/v1/responses/resp_1/cancel"]


def test_a_temperature_that_the_model_does_not_take_is_left_out() -> None:
    error = {"message": "Unsupported", "type": "invalid_request_error", "param": "temperature",
             "code": "unsupported_parameter"}  # fmt: skip

    def script(peer: Peer) -> None:
        if "temperature" in server.requests[-1]:
            peer.say(http(json.dumps({"error": error}).encode(), status="400 Bad Request"))
        else:
            peer.say(in_form(Said("Selam!"), server))

    with wire(script) as server, wrapped(server) as chat:
        client = chat.openai()
        assert client.responses.create(model="m", input="a", temperature=0.7).output_text == "Selam!"
        assert client.responses.create(model="m", input="a", temperature=0.7).output_text == "Selam!"
    assert ["temperature" in request for request in server.requests] == [True, False, False]


def test_the_tokens_count_against_the_limits() -> None:
    with answering(Said("Selam!")) as server:
        with wrapped(server, limits=RateLimits(tokens_per_minute=100)) as chat:
            with pytest.raises(openai.APIStatusError) as caught:
                chat.openai().responses.create(model="m", input="Merhaba", instructions="a" * 10_000)
    assert (caught.value.status_code, server.requests) == (413, [])


@pytest.mark.parametrize("streamed", [False, True])
def test_chat_completions_are_answered_as_such_by_a_wrapper_of_the_responses_api(streamed: bool) -> None:
    said = Said("Bakıyorum.", calls=(("call_1", "look_up", "{}"),), reasons=True)
    messages: Any = [{"role": "user", "content": "Merhaba"}]
    asked: Any = {"model": "m", "messages": messages, "stream": streamed}
    answers = []
    for api in APIS:
        with answering(said) as server, wrapped(server, api=api) as chat:
            answer: Any = chat.openai().chat.completions.create(**asked)
            if streamed:
                chunks = list(answer)
                text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
                (call,) = [call for chunk in chunks for call in chunk.choices[0].delta.tool_calls or ()]
                ends = chunks[-1].choices[0].finish_reason
                answers.append((text, call.function.name, ends))
            else:
                choice = answer.choices[0]
                answers.append((choice.message.model_dump(), choice.finish_reason, answer.usage.model_dump()))
    assert answers[0] == answers[1]
