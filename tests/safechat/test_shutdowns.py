"""What is known of a model's end goes into the words of an error, and nowhere else."""

from __future__ import annotations

import json
from datetime import date

import pytest

from clients import KINDS, make_client, once
from safechat import ModelUnavailable
from safechat.runtime import clock
from safechat.shutdowns import notice, replacement, shutdown_day
from wire import completion, http, wire

LAST_DAY = date(2026, 12, 10)
DAY_AFTER = date(2026, 12, 12)


def gone(code: str) -> bytes:
    message = "The model has been deprecated, learn more here: https://platform.openai.com/docs/deprecations"
    return http(json.dumps({"error": {"message": message, "code": code}}).encode(), status="404 Not Found")


@pytest.mark.parametrize(
    ("model", "today", "words"),
    [
        (
            "gpt-5-mini",
            DAY_AFTER,
            "gpt-5-mini was shut down on 2026-12-11; OpenAI recommends gpt-6.1-terra",
        ),
        (
            "gpt-5-mini",
            LAST_DAY,
            "gpt-5-mini will be shut down on 2026-12-11; OpenAI recommends gpt-6.1-terra",
        ),
        ("gpt-5-nano", DAY_AFTER, "gpt-5-nano was shut down on 2026-12-11"),
        ("another", DAY_AFTER, ""),
    ],
)
def test_the_notice_names_the_day_and_the_replacement(model: str, today: date, words: str) -> None:
    assert notice(model, today) == words


def test_a_model_without_a_known_end_has_no_replacement() -> None:
    assert replacement("another") is None


@pytest.mark.parametrize(
    ("value", "day"),
    [
        ("2026-12-11", date(2026, 12, 11)),
        ("2026-12-11T00:00:00Z", date(2026, 12, 11)),
        ("soon", None),
        ("", None),
        (None, None),
        (1781136000, None),
    ],
)
def test_a_shutdown_date_that_is_no_date_is_none(value: object, day: date | None) -> None:
    assert shutdown_day(value) == day


@pytest.mark.parametrize("kind", KINDS)
def test_the_error_says_when_the_model_was_shut_down(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "today", lambda: DAY_AFTER)
    with (
        wire(lambda peer: peer.say(gone("model_not_found"))) as server,
        once(make_client(kind, server.base_url)) as chat,
        pytest.raises(ModelUnavailable, match=r"shut down on 2026-12-11; OpenAI recommends gpt-6\.1"),
    ):
        chat.generate("Merhaba", model="gpt-5-mini")


def test_a_deployment_of_that_name_is_another_thing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "today", lambda: DAY_AFTER)
    with (
        wire(lambda peer: peer.say(gone("DeploymentNotFound"))) as server,
        once(make_client("async", server.base_url)) as chat,
        pytest.raises(ModelUnavailable) as caught,
    ):
        chat.generate("Merhaba", model="gpt-5-mini")
    assert "2026-12-11" not in str(caught.value)


def test_a_model_past_its_end_is_asked_as_any_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "today", lambda: DAY_AFTER)
    with (
        wire(lambda peer: peer.say(http(json.dumps(completion()).encode()))) as server,
        once(make_client("async", server.base_url)) as chat,
    ):
        assert chat.generate("Merhaba", model="gpt-5-mini").text == "Merhaba!"
    assert [request["model"] for request in server.requests] == ["gpt-5-mini"]
