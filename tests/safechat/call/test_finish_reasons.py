"""Why an answer ended, in the words of many servers; and what an answer cost that is none."""

from __future__ import annotations

import json
import logging

import pytest
from pydantic import BaseModel

from clients import KINDS, make_client, once
from safechat import (
    BadReply,
    ChatError,
    ContentFiltered,
    EmptyReply,
    MalformedReply,
    RefusedReply,
    TruncatedReply,
)
from safechat.call import finish_reasons
from safechat.call.finish_reasons import BROKEN_OFF, known_finish_reason
from wire import completion, http, wire

every_kind = pytest.mark.parametrize("kind", KINDS)


def body(answer: dict[str, object]) -> bytes:
    return http(json.dumps(answer).encode())


@pytest.mark.parametrize(
    ("word", "known"),
    [
        ("stop", "stop"),
        ("STOP", "stop"),
        ("eos", "stop"),
        ("end_turn", "stop"),
        ("tool_calls", "tool_calls"),
        ("function_call", "function_call"),
        ("length", "length"),
        ("max_tokens", "length"),
        ("MAX_TOKENS", "length"),
        ("model_length", "length"),
        ("content_filter", "content_filter"),
        ("SAFETY", "content_filter"),
        ("sensitive", "content_filter"),
        ("", None),
        (None, None),
    ],
)
def test_the_words_of_all_servers_are_openais(word: str | None, known: str | None) -> None:
    assert known_finish_reason(word, "m") == known


@every_kind
@pytest.mark.parametrize("word", ["max_tokens", "MAX_TOKENS", "model_length"])
def test_an_answer_that_was_cut_is_truncated_in_every_word(kind: str, word: str) -> None:
    with wire(lambda peer: peer.say(body(completion("Mer", finish_reason=word)))) as server:
        with once(make_client(kind, server.base_url)) as chat:
            with pytest.raises(TruncatedReply):
                chat.generate("Merhaba")
            assert chat.generate("Merhaba", allow_truncated=True).finish_reason == "length"


@every_kind
@pytest.mark.parametrize("word", ["stop", "eos", "", None, "tool_calls"])
def test_a_whole_answer_passes_whatever_its_end_is_called(kind: str, word: str | None) -> None:
    with wire(lambda peer: peer.say(body(completion("Merhaba!", finish_reason=word)))) as server:
        with once(make_client(kind, server.base_url)) as chat:
            assert chat.generate("Merhaba").text == "Merhaba!"


@every_kind
@pytest.mark.parametrize("word", sorted(BROKEN_OFF))
def test_an_answer_that_the_server_broke_off_is_none_and_may_be_tried_again(kind: str, word: str) -> None:
    with wire(lambda peer: peer.say(body(completion("Mer", finish_reason=word)))) as server:
        with once(make_client(kind, server.base_url)) as chat, pytest.raises(BadReply) as caught:
            chat.generate("Merhaba")
    error = caught.value
    assert type(error) is BadReply
    assert (error.retryable, error.falls_back, error.code) == (True, True, word)
    assert error.partial_text == "Mer"


@every_kind
def test_an_error_within_a_choice_breaks_the_answer_off(kind: str) -> None:
    problem = {"code": 502, "message": "Provider disconnected"}  # openrouter.ai/docs/api/reference/errors
    answer = completion("Mer", finish_reason="error", error=problem)
    with wire(lambda peer: peer.say(body(answer))) as server:
        with once(make_client(kind, server.base_url)) as chat, pytest.raises(BadReply) as caught:
            chat.generate("Merhaba")
    assert "Provider disconnected" in str(caught.value)
    assert caught.value.retryable
    assert caught.value.usage is not None


def test_an_unknown_word_passes_and_is_logged_once(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(finish_reasons, "_unknown", set())
    caplog.set_level(logging.WARNING, "safechat")
    with wire(lambda peer: peer.say(body(completion("Merhaba!", finish_reason="tired")))) as server:
        with (
            once(make_client("async", server.base_url)) as chat,
            caplog.at_level(logging.WARNING, "safechat"),
        ):
            for _ in range(3):
                assert chat.generate("Merhaba").finish_reason == "tired"
    records = [record for record in caplog.records if record.message == "chat.unknown_finish_reason"]
    assert len(records) == 1
    assert records[0].levelno == logging.WARNING


class Person(BaseModel):
    name: str


NO_ANSWERS: dict[str, tuple[dict[str, object], type[ChatError]]] = {
    "empty": (completion(""), EmptyReply),
    "cut": (completion("Mer", finish_reason="length"), TruncatedReply),
    "filtered": (completion("Mer", finish_reason="content_filter"), ContentFiltered),
    "refused": (
        completion(None, message={"role": "assistant", "content": None, "refusal": "Olmaz."}),
        RefusedReply,
    ),
    "no fit": (completion('{"age": 5}'), MalformedReply),
}


@every_kind
@pytest.mark.parametrize("name", NO_ANSWERS)
def test_an_answer_that_is_none_says_what_it_cost(kind: str, name: str) -> None:
    answer, expected = NO_ANSWERS[name]
    parse = Person if name == "no fit" else None
    with wire(lambda peer: peer.say(body(answer))) as server:
        with once(make_client(kind, server.base_url)) as chat, pytest.raises(ChatError) as caught:
            chat.generate("Merhaba", parse=parse)
    assert type(caught.value) is expected
    assert caught.value.usage is not None
    assert (caught.value.usage.total_tokens, caught.value.usage.cached_tokens) == (14, 2)


def test_an_answer_without_usage_costs_nothing_that_is_known() -> None:
    answer = {name: value for name, value in completion("").items() if name != "usage"}
    with wire(lambda peer: peer.say(body(answer))) as server:
        with once(make_client("async", server.base_url)) as chat, pytest.raises(EmptyReply) as caught:
            chat.generate("Merhaba")
    assert caught.value.usage is None
