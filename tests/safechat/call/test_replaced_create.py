"""A client whose `create` was replaced on the instance, as LangSmith's wrapper does, and tests."""

from __future__ import annotations

import functools
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx2
import openai
import pytest

from clients import KEY, RESPONSES_KINDS, make_client
from safechat import ChatClientWrapper, RetryPolicy, ServerError
from two_apis import Said, answering
from wire import http, wire

KINDS = ("async", "sync", "httpx2", "thread", *RESPONSES_KINDS)
SAID = Said("Merhaba!")


def traced(client: Any, kind: str = "async") -> list[object]:
    """Wraps `create` as langsmith.wrappers.wrap_openai does; the list gets what it returned."""
    results: list[object] = []
    resource = client.responses if kind in RESPONSES_KINDS else client.chat.completions
    create = resource.create

    if isinstance(client, openai.AsyncOpenAI):

        @functools.wraps(create)
        async def acreate(*args: Any, **kwargs: Any) -> object:
            result = await create(*args, **kwargs)
            results.append(result)
            return _chunks_async(result) if kwargs.get("stream") else result

        resource.create = acreate
    else:

        @functools.wraps(create)
        def create_traced(*args: Any, **kwargs: Any) -> object:
            result = create(*args, **kwargs)
            results.append(result)
            return _chunks(result) if kwargs.get("stream") else result

        resource.create = create_traced
    return results


async def _chunks_async(stream: Any) -> AsyncIterator[object]:
    async for piece in stream:
        yield piece


def _chunks(stream: Any) -> Iterator[object]:
    yield from stream


every_kind = pytest.mark.parametrize("kind", KINDS)


@every_kind
def test_the_sdks_own_retries_are_off(kind: str) -> None:
    with wire(lambda peer: peer.say(http(b"{}", status="500 Oops"))) as server:
        client = make_client(kind, server.base_url)
        traced(client, kind)
        with ChatClientWrapper(client, retry=RetryPolicy(attempts=3, base=0.01)) as chat:
            with pytest.raises(ServerError) as caught:
                chat.generate("Merhaba")
    assert len(server.requests) == caught.value.attempts == 3


@every_kind
def test_the_tracing_tool_sees_the_answer_and_the_headers_are_read(kind: str) -> None:
    with answering(SAID) as server:
        client = make_client(kind, server.base_url)
        results = traced(client, kind)
        with ChatClientWrapper(client) as chat:
            reply = chat.generate("Merhaba")
    assert (reply.text, reply.request_id) == ("Merhaba!", "req_5")
    assert type(results[0]).__name__ == ("Response" if kind in RESPONSES_KINDS else "ChatCompletion")
    assert len(results) == 1


@every_kind
def test_its_streams_work(kind: str) -> None:
    with answering(SAID) as server:
        client = make_client(kind, server.base_url)
        results = traced(client, kind)
        with ChatClientWrapper(client) as chat, chat.stream("Merhaba") as stream:
            assert "".join(stream) == "Merhaba!"
            assert stream.reply.request_id == "req_5"
    assert len(results) == 1


def test_for_other_callers_of_the_client_nothing_changes() -> None:
    with wire(lambda peer: peer.say(http(b"{}", status="500 Oops"))) as server:
        client: Any = make_client("thread", server.base_url, max_retries=1)
        traced(client)
        with ChatClientWrapper(client, retry=RetryPolicy(attempts=1)) as chat:
            with pytest.raises(ServerError):
                chat.generate("Merhaba")
        with pytest.raises(openai.InternalServerError):
            client.chat.completions.create(model="m", messages=[{"role": "user", "content": "Merhaba"}])
    assert len(server.requests) == 1 + 2


def test_a_client_that_was_used_in_another_loop_works_through_its_traced_create() -> None:
    with answering(SAID) as server:
        client = openai.AsyncOpenAI(api_key=KEY, base_url=server.base_url)
        traced(client)
        for _ in range(2):
            with ChatClientWrapper(client) as chat:
                assert chat.generate("Merhaba").text == "Merhaba!"


def test_a_raw_answer_that_the_tool_asks_for_is_given_to_it() -> None:
    with answering(SAID) as server:
        client: Any = make_client("sync", server.base_url)
        create = client.chat.completions.create
        raw: list[object] = []

        def by_raw(**arguments: Any) -> object:
            answer = create(**arguments, extra_headers={"X-Stainless-Raw-Response": "true"})
            raw.append(answer.headers)
            return answer.parse()

        client.chat.completions.create = by_raw
        with ChatClientWrapper(client) as chat:
            assert chat.generate("Merhaba").text == "Merhaba!"
    assert isinstance(raw[0], httpx2.Headers)
