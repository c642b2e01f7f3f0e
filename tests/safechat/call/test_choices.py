"""Which of an answer's choices is the reply, and what counts as its text."""

from __future__ import annotations

import json
from typing import Any
from unittest.mock import MagicMock

import openai
import pytest

from clients import KEY, KINDS, make_client, once
from safechat import ChatReply, EmptyReply
from sse import DONE, chunk, event, sends
from wire import completion, http, wire

every_kind = pytest.mark.parametrize("kind", KINDS)


def answered(kind: str, body: dict[str, Any]) -> ChatReply:
    with wire(lambda peer: peer.say(http(json.dumps(body).encode()))) as server:
        with once(make_client(kind, server.base_url)) as chat:
            return chat.generate("Merhaba")


def choice(index: int, text: str) -> dict[str, object]:
    return {"index": index, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}


@every_kind
def test_of_several_choices_the_first_by_index_is_the_reply(kind: str) -> None:
    reply = answered(kind, completion() | {"choices": [choice(1, "iki"), choice(0, "bir")]})
    assert reply.text == "bir"
    assert reply.message["content"] == "bir"
    choices: Any = reply.raw["choices"]
    assert [other["message"]["content"] for other in choices] == ["iki", "bir"]


@every_kind
def test_choices_without_an_index_count_in_their_order(kind: str) -> None:
    choices = [{"message": {"content": text}, "finish_reason": "stop"} for text in ("bir", "iki")]
    assert answered(kind, {"choices": choices}).text == "bir"


@every_kind
def test_the_other_choices_of_a_stream_are_in_its_body(kind: str) -> None:
    def piece(index: int, text: str, finish: str | None = None) -> bytes:
        delta = {"index": index, "delta": {"content": text}, "finish_reason": finish}
        return event({"id": "1", "model": "m-1", "choices": [delta]})

    parts = [piece(1, "i"), piece(0, "b"), piece(0, "ir", "stop"), piece(1, "ki", "stop")]
    with wire(sends(*parts, DONE)) as server, once(make_client(kind, server.base_url)) as chat:
        stream = chat.stream("Merhaba")
        assert list(stream) == ["b", "ir"]
    choices: Any = stream.reply.raw["choices"]
    assert [(other["index"], other["message"]["content"]) for other in choices] == [(0, "bir"), (1, "iki")]


SOUND = {"id": "audio_1", "transcript": "Merhaba!", "data": "UklGR", "expires_at": 9}


@every_kind
def test_the_transcript_of_an_answer_in_sound_is_its_text(kind: str) -> None:
    reply = answered(kind, completion(message={"role": "assistant", "content": None, "audio": SOUND}))
    assert reply.text == "Merhaba!"


@every_kind
def test_the_transcript_of_a_stream_in_sound_is_handed_on(kind: str) -> None:
    parts = [
        chunk(audio={"id": "audio_1", "transcript": "Mer"}),
        chunk(audio={"data": "UklG"}),
        chunk(audio={"transcript": "haba!"}),
        chunk(audio={"data": "R", "expires_at": 9}),
        chunk(finish="stop"),
    ]
    with wire(sends(*parts, DONE)) as server, once(make_client(kind, server.base_url)) as chat:
        stream = chat.stream("Merhaba")
        assert list(stream) == ["Mer", "haba!"]
    assert stream.reply.text == "Merhaba!"
    choices: Any = stream.reply.raw["choices"]
    assert choices[0]["message"]["audio"] == SOUND


@every_kind
def test_an_answer_of_reasoning_alone_is_still_empty(kind: str) -> None:
    with pytest.raises(EmptyReply):
        answered(kind, completion(message={"content": "", "reasoning_content": "Hımm"}))


def test_an_object_without_texts_is_no_answer() -> None:
    """A mock that nobody has given a result."""
    client = openai.OpenAI(api_key=KEY)
    client.chat.completions.create = MagicMock()  # type: ignore[method-assign]
    with once(client) as chat, pytest.raises(EmptyReply):
        chat.generate("Merhaba")


@every_kind
def test_a_whole_message_in_a_stream_is_its_text(kind: str) -> None:
    whole = event({"id": "1", "model": "m-1", "choices": [choice(0, "Merhaba")]})
    with wire(sends(whole, DONE)) as server, once(make_client(kind, server.base_url)) as chat:
        assert list(chat.stream("Merhaba")) == ["Merhaba"]


@every_kind
def test_the_whole_message_after_its_deltas_is_no_second_text(kind: str) -> None:
    whole = event({"id": "1", "model": "m-1", "choices": [choice(0, "Merhaba")]})
    with wire(sends(chunk("Mer"), chunk("haba"), whole, DONE)) as server:
        with once(make_client(kind, server.base_url)) as chat:
            assert list(chat.stream("Merhaba")) == ["Mer", "haba"]
