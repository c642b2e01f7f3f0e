"""Events of a stream that carry nothing end nothing."""

from __future__ import annotations

import json

import openai
import pytest

from clients import KEY, SDK_KINDS, make_client, once
from safechat import RateLimited, RequestTimedOut
from safechat.call.events import without_empty_events
from sse import DONE, ROLE, chunk, event, sends
from wire import completion, http, wire

EMPTY = {
    "retry": b"retry: 3000\n\n",
    "id": b"id: 1\n\n",
    "ping": b"event: ping\n\n",
    "a ping with data": b"event: ping\ndata: ping\n\n",
    "data": b"data:\n\n",
    "white space": b"data: \n\n",
    "blank lines after an id": b"id: 7\n\n\n\n",
    "a comment": b": OPENROUTER PROCESSING\n\n",
}


@pytest.mark.parametrize("name", EMPTY)
async def test_an_event_without_data_is_skipped(name: str) -> None:
    with wire(sends(EMPTY[name], ROLE, EMPTY[name], chunk("Merhaba"), EMPTY[name], DONE)) as server:
        async with openai.AsyncOpenAI(api_key=KEY, base_url=server.base_url) as client:
            stream = await client.chat.completions.create(model="m", messages=[], stream=True)
            chunks = [taken async for taken in without_empty_events(stream)]
    assert [taken.choices[0].delta.content for taken in chunks] == ["", "Merhaba"]


@pytest.mark.parametrize("name", EMPTY)
def test_an_event_without_data_is_skipped_by_the_synchronous_client_too(name: str) -> None:
    with wire(sends(EMPTY[name], ROLE, EMPTY[name], chunk("Merhaba"), EMPTY[name], DONE)) as server:
        with openai.OpenAI(api_key=KEY, base_url=server.base_url) as client:
            stream = client.chat.completions.create(model="m", messages=[], stream=True)
            chunks = list(without_empty_events(stream))
    assert [taken.choices[0].delta.content for taken in chunks] == ["", "Merhaba"]


async def test_an_event_with_broken_data_is_not_skipped() -> None:
    with wire(sends(ROLE, event("{"), DONE)) as server:
        async with openai.AsyncOpenAI(api_key=KEY, base_url=server.base_url) as client:
            stream = await client.chat.completions.create(model="m", messages=[], stream=True)
            with pytest.raises(ValueError, match="property name"):
                [taken async for taken in without_empty_events(stream)]


def test_what_is_no_stream_of_the_sdk_stays_as_it_is() -> None:
    chunks: list[object] = [{"choices": []}]
    assert without_empty_events(chunks) is chunks


@pytest.mark.parametrize("kind", SDK_KINDS)
@pytest.mark.parametrize("name", EMPTY)
def test_an_answer_goes_on_after_an_event_without_data(kind: str, name: str) -> None:
    empty = EMPTY[name]
    script = sends(empty, ROLE, empty, chunk("Merhaba"), empty, chunk(finish="stop"), empty, DONE)
    with wire(script) as server, once(make_client(kind, server.base_url)) as chat:
        assert list(chat.stream("Merhaba")) == ["Merhaba"]


@pytest.mark.parametrize("kind", SDK_KINDS)
def test_events_without_data_are_no_sign_of_life(kind: str) -> None:
    pings: list[bytes | float] = [EMPTY["ping"], 0.05]
    with wire(sends(ROLE, *pings * 2000)) as server:
        with once(make_client(kind, server.base_url), timeout=0.5) as chat, pytest.raises(RequestTimedOut):
            list(chat.stream("Merhaba"))


@pytest.mark.parametrize("kind", SDK_KINDS)
def test_the_answer_of_a_server_that_does_not_stream_is_one_piece(kind: str) -> None:
    body = json.dumps(completion("Merhaba\u2028dünya"), ensure_ascii=False, indent=2).encode()
    with wire(lambda peer: peer.say(http(body))) as server, once(make_client(kind, server.base_url)) as chat:
        stream = chat.stream("Merhaba")
        assert list(stream) == ["Merhaba\u2028dünya"]
    assert stream.reply.usage is not None


@pytest.mark.parametrize("kind", SDK_KINDS)
def test_an_error_in_place_of_a_stream_is_classified_by_its_code(kind: str) -> None:
    body = b'{"error": {"message": "slow down", "code": 429}}'
    with wire(lambda peer: peer.say(http(body))) as server, once(make_client(kind, server.base_url)) as chat:
        with pytest.raises(RateLimited, match="slow down"):
            list(chat.stream("Merhaba"))
