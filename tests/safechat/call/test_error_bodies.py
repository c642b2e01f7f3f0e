"""Errors in other servers' forms: as an HTTP error, in a 200, in a stream; and the wait that they name."""

from __future__ import annotations

import json

import pytest

from clients import KEY, KINDS, make_client, once
from safechat import (
    AuthenticationFailed,
    ChatError,
    ContextTooLong,
    MalformedReply,
    ModelUnavailable,
    PermissionDenied,
    QuotaExhausted,
    RateLimited,
    RequestRejected,
    RequestTooLarge,
    ServerError,
)
from safechat.call import error_body
from safechat.call.error_body import ErrorBody, api_error, implied_status, read_error_body
from sse import DONE, ROLE, chunk, event, sends
from wire import http, wire

every_kind = pytest.mark.parametrize("kind", KINDS)


def failure(kind: str, answer: bytes) -> ChatError:
    """The error of one call to a server that gives this HTTP answer."""
    with wire(lambda peer: peer.say(answer)) as server, once(make_client(kind, server.base_url)) as chat:
        with pytest.raises(ChatError) as caught:
            chat.generate("Merhaba")
    return caught.value


def refusal(body: object, status: str = "422 Unprocessable", headers: str = "") -> bytes:
    return http(json.dumps(body).encode(), status=status, headers=headers)


FORMS: dict[str, object] = {
    "OpenAI": {"error": {"message": "the reason", "type": None, "code": None}},
    "a text": {"error": "the reason"},
    "FastAPI": {"detail": "the reason"},
    "a message": {"message": "the reason", "type": "x", "code": "1500"},
    "Gemini": [{"error": {"code": 422, "message": "the reason", "status": "INVALID_ARGUMENT"}}],
    "twice": {"error": {"error": {"message": "the reason", "code": 422}, "code": 422}},
    "OpenRouter": {"error": {"message": "Provider returned error", "metadata": {"raw": "the reason"}}},
    "FastAPI's list": {"detail": [{"loc": ["body", "model"], "msg": "the reason", "type": "missing"}]},
}


@pytest.mark.parametrize("kind", ["async", "sync"])
@pytest.mark.parametrize("form", FORMS)
def test_the_words_of_every_form_are_in_the_error(kind: str, form: str) -> None:
    error = failure(kind, refusal(FORMS[form]))
    assert type(error) is RequestRejected
    assert "the reason" in str(error)


def test_fastapis_list_says_which_field_it_means() -> None:
    assert read_error_body(FORMS["FastAPI's list"]).message == "body.model: the reason"


@pytest.mark.parametrize("body", [None, [], {}, 5, {"error": {}}, {"detail": [None]}, {"message": {"a": 1}}])
def test_a_body_without_words_is_read_too(body: object) -> None:
    assert read_error_body(body).message == ""


def test_a_key_in_a_body_is_taken_out_and_a_long_text_is_cut() -> None:
    read = read_error_body({"error": {"message": f"{KEY} " + "x" * 2000, "code": KEY, "param": KEY}})
    assert KEY not in repr(read)
    assert len(read.message) < 600


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (ErrorBody(code="429", status=429), 429),
        (ErrorBody(code="rate_limit_exceeded"), 429),
        (ErrorBody(type="rate_limit_error"), 429),
        (ErrorBody(code="model_not_found"), 400),
        (ErrorBody(type="invalid_request_error"), 400),
        (ErrorBody(code="busy"), None),
        (ErrorBody(), None),
    ],
)
def test_the_status_that_an_error_in_a_200_should_have_had(body: ErrorBody, status: int | None) -> None:
    assert implied_status(body) == status


IN_A_200: list[tuple[object, str, type[ChatError]]] = [
    (401, "no such key", AuthenticationFailed),
    (402, "Insufficient credits", QuotaExhausted),
    (403, "not in your region", PermissionDenied),
    (429, "slow down", RateLimited),
    ("429", "slow down", RateLimited),
    (400, "maximum context length is 8192", ContextTooLong),
    (404, "no such model", ModelUnavailable),
    (502, "the provider is down", ServerError),
    ("insufficient_quota", "no credit", QuotaExhausted),
    ("model_decommissioned", "gone", ModelUnavailable),
    (200, "what?", MalformedReply),
    ("busy", "overloaded", MalformedReply),
    (None, "overloaded", MalformedReply),
]


@every_kind
@pytest.mark.parametrize(("code", "message", "expected"), IN_A_200)
def test_an_error_in_a_200_is_classified_by_its_code(
    kind: str, code: object, message: str, expected: type[ChatError]
) -> None:
    error = failure(kind, http(json.dumps({"error": {"code": code, "message": message}}).encode()))
    assert type(error) is expected
    assert message in str(error)


@every_kind
@pytest.mark.parametrize("form", ["a text", "FastAPI", "a message", "Gemini", "FastAPI's list"])
def test_the_words_of_every_form_are_in_the_error_of_a_200(kind: str, form: str) -> None:
    error = failure(kind, http(json.dumps(FORMS[form]).encode()))
    assert "the reason" in str(error)


@every_kind
@pytest.mark.parametrize(
    ("problem", "expected"),
    [
        (
            {"object": "error", "message": "the reason", "type": "BadRequest", "code": 400},
            RequestRejected,
        ),
        ({"object": "error", "message": "the reason"}, MalformedReply),
        ({"detail": "the reason", "code": 503}, ServerError),
    ],
)
def test_an_error_of_its_own_form_ends_a_stream(
    kind: str, problem: object, expected: type[ChatError]
) -> None:
    with wire(sends(ROLE, event(problem), DONE)) as server, once(make_client(kind, server.base_url)) as chat:
        with pytest.raises(expected, match="the reason"):
            list(chat.stream("Merhaba"))


@every_kind
def test_a_keep_alive_in_words_is_no_error(kind: str) -> None:
    script = sends(ROLE, event({"message": "keep-alive"}), chunk("Mer"), chunk(finish="stop"), DONE)
    with wire(script) as server, once(make_client(kind, server.base_url)) as chat:
        assert list(chat.stream("Merhaba")) == ["Mer"]


@every_kind
@pytest.mark.parametrize(("code", "message", "expected"), IN_A_200)
def test_an_error_in_a_stream_is_classified_by_its_code(
    kind: str, code: object, message: str, expected: type[ChatError]
) -> None:
    if expected is MalformedReply and kind != "plain":
        expected = ServerError  # the SDK raises it as an error of the API, without a status
    script = sends(ROLE, event({"error": {"code": code, "message": message}}), DONE)
    with wire(script) as server, once(make_client(kind, server.base_url)) as chat:
        with pytest.raises(ChatError) as caught:
            list(chat.stream("Merhaba"))
    assert type(caught.value) is expected


@every_kind
def test_an_error_that_comes_after_text_ends_the_stream_with_its_class(kind: str) -> None:
    script = sends(ROLE, chunk("Mer"), event({"error": {"code": 429, "message": "slow down"}}), DONE)
    with wire(script) as server, once(make_client(kind, server.base_url)) as chat:
        stream = chat.stream("Merhaba")
        assert next(stream) == "Mer"
        with pytest.raises(RateLimited) as caught:
            list(stream)
    assert caught.value.partial_text == "Mer"


RETRY_INFO = {
    "error": {
        "code": 429,
        "message": "You exceeded your current quota",
        "status": "RESOURCE_EXHAUSTED",
        "details": [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "20s"}],
    }
}
WORDS = {"error": {"message": "Limit 30000, Used 30000, Requested 9. Please try again in 20s."}}


@pytest.mark.parametrize("kind", ["async", "sync"])
@pytest.mark.parametrize("body", [RETRY_INFO, [RETRY_INFO], WORDS], ids=["Gemini", "in a list", "in words"])
def test_a_429_names_its_wait_in_its_body(kind: str, body: object) -> None:
    error = failure(kind, refusal(body, "429 Too Many Requests"))
    assert type(error) is RateLimited
    assert error.retry_after == 20.0


def test_the_header_counts_before_the_body() -> None:
    error = failure("async", refusal(WORDS, "429 Too Many Requests", "retry-after: 3\r\n"))
    assert error.retry_after == 3.0


def test_a_request_that_is_too_large_is_no_smaller_in_a_200() -> None:
    message = "Request too large on tokens per min (TPM): Limit 30000, Requested 61234."
    error = failure("async", http(json.dumps({"error": {"code": 429, "message": message}}).encode()))
    assert type(error) is RequestTooLarge
    assert error.sent


def test_a_wait_that_cannot_be_read_does_not_hide_the_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """On Windows such a date, without a zone and from before 1970, is an OSError."""

    def broken(*_: object) -> float:
        raise OSError(22, "Invalid argument")

    monkeypatch.setattr(error_body, "retry_after", broken)
    error = api_error({"error": {"message": "Try again in 20s."}}, 429, "m", {"retry-after": "…"})
    assert (type(error), error.retry_after) == (RateLimited, 20.0)
