"""The drop-in with the plain SDK: what it answers, raises, streams and passes on."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from typing import Any

import openai
import pytest
from pydantic import BaseModel

from safechat import (
    BreakerPolicy,
    ChatClientWrapper,
    ChatError,
    CircuitOpen,
    DeadlineExceeded,
    RateLimits,
    RequestTimedOut,
    RetryPolicy,
    ServerError,
)
from safechat.log.events import listen
from safechat.testing import ScriptedClient, no_waiting
from small_model import ANSWER, KEY, REQUEST_ID, USAGE, SmallModel

MERHABA: Any = [{"role": "user", "content": "What is the capital of 'Türkiye'?"}]
TOOL: Any = {
    "type": "function",
    "function": {
        "name": "capital",
        "parameters": {"type": "object", "properties": {"country": {"type": "string"}}},
    },
}


class City(BaseModel):
    name: str
    people: int


@pytest.fixture
def client(chat: ChatClientWrapper) -> openai.OpenAI:
    return chat.openai()


@pytest.fixture
def async_client(chat: ChatClientWrapper) -> openai.AsyncOpenAI:
    return chat.async_openai()


def ask(client: openai.OpenAI, **params: Any) -> Any:
    return client.chat.completions.create(model="small", messages=MERHABA, **params)


def completion(message: dict[str, Any], ends: str = "stop", **fields: object) -> dict[str, Any]:
    choice = {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": ends, **fields}
    return {
        "id": "1",
        "object": "chat.completion",
        "created": 1,
        "model": "small",
        "choices": [choice],
        "usage": USAGE,
    }


def text_of(chunks: Any) -> str:
    return "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)


def test_create(client: openai.OpenAI, served: SmallModel) -> None:
    answer = ask(client, temperature=0.5, extra_body={"of_the_server": 1})
    assert answer.choices[0].message.content == ANSWER
    assert answer.usage.total_tokens == 14
    assert served.requests[0] | {"temperature": 0.5, "of_the_server": 1} == served.requests[0]


async def test_create_async(async_client: openai.AsyncOpenAI) -> None:
    answer = await async_client.chat.completions.create(model="small", messages=MERHABA)
    assert answer.choices[0].message.content == ANSWER


def test_parse(client: openai.OpenAI) -> None:
    answer = client.chat.completions.parse(model="small", messages=MERHABA, response_format=City)
    assert answer.choices[0].message.parsed == City(name="Türkiye", people=3)


def test_a_tool_is_called(client: openai.OpenAI) -> None:
    call = ask(client, tools=[TOOL]).choices[0].message.tool_calls[0]
    assert (call.function.name, call.function.arguments) == ("capital", '{"country": "Türkiye"}')


def test_a_stream_comes_in_pieces_without_the_usage_that_nobody_asked_for(client: openai.OpenAI) -> None:
    chunks = list(ask(client, stream=True))
    assert text_of(chunks) == ANSWER
    assert len({chunk.id for chunk in chunks}) == 1
    assert chunks[0].choices[0].delta.role == "assistant"
    assert chunks[-1].choices[0].finish_reason == "stop"
    assert all(chunk.usage is None for chunk in chunks)


def test_a_stream_ends_with_the_usage_that_was_asked_for(client: openai.OpenAI) -> None:
    *_, last = ask(client, stream=True, stream_options={"include_usage": True})
    assert last.choices == []
    assert last.usage.total_tokens == 14


async def test_an_asynchronous_stream(async_client: openai.AsyncOpenAI) -> None:
    stream = await async_client.chat.completions.create(model="small", messages=MERHABA, stream=True)
    assert text_of([chunk async for chunk in stream]) == ANSWER


def test_the_sdks_stream_helper_puts_text_and_tool_calls_together(client: openai.OpenAI) -> None:
    with client.chat.completions.stream(model="small", messages=MERHABA, tools=[TOOL]) as stream:
        message = stream.get_final_completion().choices[0].message
    assert message.tool_calls is not None
    assert message.tool_calls[0].function.arguments == '{"country": "Türkiye"}'


def test_the_sdks_stream_helper_parses(client: openai.OpenAI) -> None:
    with client.chat.completions.stream(model="small", messages=MERHABA, response_format=City) as stream:
        assert stream.get_final_completion().choices[0].message.parsed == City(name="Türkiye", people=3)


def test_a_raw_response_has_the_headers_of_the_apis_answer(client: openai.OpenAI) -> None:
    raw = client.chat.completions.with_raw_response.create(model="small", messages=MERHABA)
    assert raw.headers["x-request-id"] == REQUEST_ID
    assert raw.headers["x-ratelimit-remaining-requests"] == "59"
    assert raw.parse()._request_id == REQUEST_ID


def test_a_streaming_response_has_them_too(client: openai.OpenAI) -> None:
    create = client.chat.completions.with_streaming_response.create
    with create(model="small", messages=MERHABA, stream=True) as response:
        assert response.headers["x-request-id"] == REQUEST_ID
        assert response.headers["content-type"].startswith("text/event-stream")
        assert [line for line in response.iter_lines() if line][-1] == "data: [DONE]"


def test_all_fields_of_an_answer_survive(client: openai.OpenAI, served: SmallModel) -> None:
    annotation = {"type": "url_citation", "url_citation": {"url": "https://x", "title": "x"}}
    body = completion(
        {"content": "a", "annotations": [annotation], "audio": {"id": "sound"}}, logprobs={"content": []}
    )
    served.script.append(body | {"of_the_server": [1.5, "ü"]})
    assert ask(client).model_dump(exclude_unset=True) == body | {"of_the_server": [1.5, "ü"]}


@pytest.mark.parametrize("stream", [False, True])
def test_all_choices_are_answered(client: openai.OpenAI, stream: bool) -> None:
    answer = ask(client, n=2, stream=stream)
    if stream:
        indices = {choice.index for chunk in answer for choice in chunk.choices}
    else:
        indices = {choice.index for choice in answer.choices}
    assert indices == {0, 1}


@pytest.mark.parametrize(
    ("message", "ends"),
    [
        ({"content": None, "refusal": "No."}, "stop"),
        ({"content": ""}, "content_filter"),
        ({"content": "half an ans"}, "length"),
        ({"content": ""}, "length"),
    ],
)
def test_what_the_sdk_takes_for_an_answer_is_one(
    client: openai.OpenAI, served: SmallModel, message: dict[str, Any], ends: str
) -> None:
    served.script.append(completion(message, ends))
    choice = ask(client).choices[0]
    assert choice.finish_reason == ends
    assert choice.message.model_dump(exclude_unset=True) == {"role": "assistant", **message}


def test_a_stream_that_a_filter_stops_ends_so() -> None:
    chunks = [
        {"choices": [{"index": 0, "delta": {"content": "Mer"}}]},
        {"choices": [{"index": 0, "delta": {}, "finish_reason": "content_filter"}]},
    ]
    with ChatClientWrapper(Streaming(chunks)) as chat:
        *pieces, last = ask(chat.openai(), stream=True)
    assert text_of(pieces) == "Mer"
    assert last.choices[0].finish_reason == "content_filter"


def test_a_refusal_is_streamed() -> None:
    chunks = [{"choices": [{"index": 0, "delta": {"refusal": "No."}, "finish_reason": "stop"}]}]
    with ChatClientWrapper(Streaming(chunks)) as chat:
        (chunk,) = ask(chat.openai(), stream=True)
    assert chunk.choices[0].delta.refusal == "No."


class Streaming:
    """A client whose stream brings `chunks`; `began` and `closed` are set when it is read, and let go of."""

    def __init__(self, chunks: Any, *, endless: bool = False) -> None:
        self._chunks = chunks
        self._endless = endless
        self.began, self.closed = threading.Event(), threading.Event()
        self.chat = self.completions = self

    async def create(self, **_: object) -> object:
        async def chunks() -> Any:
            self.began.set()
            try:
                for chunk in self._chunks:
                    yield chunk
                if self._endless:
                    await asyncio.Event().wait()
            finally:
                self.closed.set()

        return chunks()


# Errors


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, openai.BadRequestError),
        (401, openai.AuthenticationError),
        (403, openai.PermissionDeniedError),
        (404, openai.NotFoundError),
        (409, openai.ConflictError),
        (422, openai.UnprocessableEntityError),
        (429, openai.RateLimitError),
        (500, openai.InternalServerError),
        (503, openai.InternalServerError),
    ],
)
def test_an_error_is_the_sdks_own_and_one_call(
    client: openai.OpenAI, served: SmallModel, status: int, error: type[openai.APIStatusError]
) -> None:
    served.script.extend([status] * 3)
    with pytest.raises(error) as caught:
        ask(client.with_options(max_retries=2))
    assert type(caught.value) is error
    assert caught.value.status_code == status
    assert (caught.value.code, caught.value.request_id) == ("a_code", REQUEST_ID)
    assert "as the test wants it" in str(caught.value)
    assert caught.value.response.headers["x-should-retry"] == "false"
    assert len(served.requests) == 1


async def test_so_is_that_of_an_asynchronous_client(
    async_client: openai.AsyncOpenAI, served: SmallModel
) -> None:
    served.script.extend([503] * 3)
    with pytest.raises(openai.InternalServerError):
        await async_client.with_options(max_retries=2).chat.completions.create(
            model="small", messages=MERHABA
        )
    assert len(served.requests) == 1


def test_ours_is_its_cause_and_no_key_can_be_reached(client: openai.OpenAI, served: SmallModel) -> None:
    served.script.append(503)
    with pytest.raises(openai.InternalServerError) as caught:
        ask(client)
    assert isinstance(caught.value.__cause__, ServerError)
    assert KEY not in str(dict(caught.value.request.headers))
    assert KEY not in repr(vars(caught.value.__cause__))


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (RequestTimedOut("late"), openai.APITimeoutError),
        (DeadlineExceeded("late"), openai.APITimeoutError),
        (CircuitOpen("left alone"), openai.InternalServerError),
        (openai.APIConnectionError(request=None), openai.APIConnectionError),  # type: ignore[arg-type]
    ],
)
def test_an_error_without_a_status_is_the_sdks_nearest(
    ours: Exception, theirs: type[openai.APIError], stream: bool
) -> None:
    with no_waiting(), ChatClientWrapper(ScriptedClient(ours)) as chat, pytest.raises(theirs) as caught:
        ask(chat.openai().with_options(max_retries=2), stream=stream)
    assert type(caught.value) is theirs
    assert isinstance(caught.value.__cause__, ChatError)


def test_an_empty_answer_is_a_bad_gateway(client: openai.OpenAI, served: SmallModel) -> None:
    served.script.append(completion({"content": ""}))
    with pytest.raises(openai.InternalServerError) as caught:
        ask(client)
    assert (caught.value.status_code, caught.value.type) == (502, "empty_reply")


def test_an_error_after_the_first_piece_ends_the_stream_with_it() -> None:
    script = ScriptedClient(["Mer", ServerError("broken", status=503, code="a_code")])
    with ChatClientWrapper(script) as chat:
        stream = ask(chat.openai(), stream=True)
        assert next(stream).choices[0].delta.content == "Mer"
        with pytest.raises(openai.APIError, match="broken") as caught:
            list(stream)
    assert (caught.value.type, caught.value.code) == ("server_error", "a_code")


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({"messages": []}, "empty list"),
        ({"messages": [{"role": "nobody", "content": "x"}]}, "unknown role"),
        ({"stream": True, "modalities": ["text", "audio"]}, "as a stream"),
        ({"stream": True, "stream_options": "include_usage"}, "must be an object"),
    ],
)
def test_what_cannot_be_passed_on_is_a_clear_400(
    client: openai.OpenAI, served: SmallModel, params: dict[str, Any], words: str
) -> None:
    with pytest.raises(openai.BadRequestError, match=words) as caught:
        client.chat.completions.create(**{"model": "small", "messages": MERHABA, **params})
    assert caught.value.type == "invalid_request_error"
    assert served.requests == []


# Letting go


def test_a_stream_that_is_closed_ends_its_call() -> None:
    streaming = Streaming([{"choices": [{"delta": {"content": "ha"}}]}], endless=True)
    with ChatClientWrapper(streaming) as chat:
        with ask(chat.openai(), stream=True) as stream:
            next(stream)
        assert streaming.closed.wait(10)


async def test_a_task_that_is_cancelled_cancels_its_call() -> None:
    streaming = Streaming([], endless=True)
    async with ChatClientWrapper(streaming) as chat:
        create = chat.async_openai().chat.completions.create
        task = asyncio.create_task(create(model="small", messages=MERHABA, stream=True))
        assert await asyncio.to_thread(streaming.began.wait, 10)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await asyncio.to_thread(streaming.closed.wait, 10)


# What goes along with a request


def test_the_callers_headers_and_query_go_to_the_api_and_its_key_does_not() -> None:
    script = ScriptedClient("Merhaba")
    with ChatClientWrapper(script) as chat:
        ask(chat.openai(), extra_headers={"X-Title": "odev"}, extra_query={"v": "2"})
    assert script.calls[0]["extra_headers"] == {"x-title": "odev"}
    assert script.calls[0]["extra_query"] == {"v": "2"}


@pytest.mark.parametrize(("given", "used"), [(2.0, 2.0), (900.0, 10.0)])
def test_a_timeout_that_is_shorter_counts(given: float, used: float) -> None:
    script = ScriptedClient("Merhaba")
    with ChatClientWrapper(script, timeout=10) as chat:
        ask(chat.openai(), timeout=given)
    assert script.calls[0]["timeout"] == used


def test_nothing_goes_by_a_proxy_of_the_environment(
    chat: ChatClientWrapper, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    assert ask(chat.openai()).choices[0].message.content == ANSWER


# Other endpoints


@pytest.fixture
def calls() -> Iterator[list[dict[str, Any]]]:
    """The fields of each chat.call that is logged."""
    seen: list[dict[str, Any]] = []
    stop = listen(lambda _, name, fields: seen.append(dict(fields)) if name == "chat.call" else None)
    yield seen
    stop()


def test_embeddings_are_passed_on_and_logged(
    client: openai.OpenAI, served: SmallModel, calls: list[dict[str, Any]]
) -> None:
    answer = client.embeddings.create(model="embedder", input=["a", "b"], encoding_format="float")
    assert [item.embedding for item in answer.data] == [[0.5, 0.25]] * 2
    assert served.requests == [{"model": "embedder", "input": ["a", "b"], "encoding_format": "float"}]
    assert served.paths == ["/v1/embeddings"]
    assert (calls[0]["outcome"], calls[0]["endpoint"], calls[0]["prompt_tokens"]) == (
        "ok",
        "POST /embeddings",
        7,
    )


def test_embeddings_are_tried_again_with_the_same_model_and_have_no_fallback(served: SmallModel) -> None:
    served.script.extend([503, 503])
    inner = openai.OpenAI(api_key=KEY, base_url=served.base_url)
    with (
        no_waiting(),
        ChatClientWrapper(inner, fallbacks=["another"], retry=RetryPolicy(attempts=2)) as chat,
        pytest.raises(openai.InternalServerError),
    ):
        chat.openai().embeddings.create(model="embedder", input="a")
    assert [request["model"] for request in served.requests] == ["embedder", "embedder"]


def test_embeddings_count_against_the_tokens_a_minute(served: SmallModel) -> None:
    inner = openai.OpenAI(api_key=KEY, base_url=served.base_url)
    limits = RateLimits(tokens_per_minute=100)
    with (
        ChatClientWrapper(inner, limits=limits) as chat,
        pytest.raises(openai.APIStatusError) as caught,
    ):
        chat.openai().embeddings.create(model="embedder", input="a" * 10_000)
    assert (caught.value.status_code, served.requests) == (413, [])


async def test_a_response_is_passed_on(
    async_client: openai.AsyncOpenAI, served: SmallModel, calls: list[dict[str, Any]]
) -> None:
    usage = {"input_tokens": 3, "output_tokens": 4, "total_tokens": 7}
    content = [{"type": "output_text", "text": "Selam", "annotations": []}]
    item = {"type": "message", "id": "m", "role": "assistant", "status": "completed", "content": content}
    served.script.append(
        {"id": "r", "object": "response", "model": "small", "output": [item], "usage": usage}
    )
    answer = await async_client.responses.create(model="small", input="Merhaba")
    assert (answer.id, answer.output_text) == ("r", "Selam")
    assert (calls[0]["prompt_tokens"], calls[0]["completion_tokens"]) == (3, 4)


def test_the_models_are_listed(client: openai.OpenAI, served: SmallModel) -> None:
    assert [model.id for model in client.models.list()] == ["small"]
    assert served.paths == ["/v1/models"]


def test_another_endpoint_has_the_errors_of_the_sdk(client: openai.OpenAI, served: SmallModel) -> None:
    served.script.append(429)
    with pytest.raises(openai.RateLimitError):
        client.embeddings.create(model="embedder", input="a")


def test_a_stream_of_another_endpoint_is_a_clear_400(client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError, match="a stream from"):
        client.completions.create(model="small", prompt="Merhaba", stream=True)


def test_a_file_is_a_clear_400(client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError, match="only a JSON object"):
        client.files.create(file=b"x", purpose="batch")


def test_a_client_that_is_not_the_sdks_has_no_other_endpoints() -> None:
    with (
        ChatClientWrapper(ScriptedClient("x"), breaker=BreakerPolicy()) as chat,
        pytest.raises(openai.APIStatusError, match="needs a client of the openai SDK"),
    ):
        chat.openai().embeddings.create(model="embedder", input="a")
