"""Every status of the errors table, and every way to get no answer, for each kind of client."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable

import httpx2
import openai
import pytest

from clients import ALL_KINDS, KEY, make_client, once
from safechat import (
    AuthenticationFailed,
    ChatClientWrapper,
    ChatError,
    ChatRequest,
    ConnectionFailed,
    ContentFiltered,
    ContextTooLong,
    DeadlineExceeded,
    ModelUnavailable,
    PermissionDenied,
    QuotaExhausted,
    RateLimited,
    RequestRejected,
    RequestTimedOut,
    RequestTooLarge,
    ServerError,
)
from safechat.call.translate import translate
from safechat.errors import classify
from wire import Peer, completion, http, wire

# status, code, type, message, class, same model again, another model
TABLE: list[tuple[int, str | None, str | None, str, type[ChatError], bool, bool]] = [
    (429, "rate_limit_exceeded", "requests", "slow down", RateLimited, True, True),
    (429, "insufficient_quota", "insufficient_quota", "no credit", QuotaExhausted, False, False),
    (429, None, "insufficient_quota", "no credit", QuotaExhausted, False, False),
    (402, None, None, "Insufficient Balance", QuotaExhausted, False, False),
    (500, None, "server_error", "oops", ServerError, True, True),
    (502, None, None, "bad gateway", ServerError, True, True),
    (503, None, None, "overloaded", ServerError, True, True),
    (529, None, None, "overloaded", ServerError, True, True),
    (408, None, None, "timeout", ServerError, True, True),
    (409, None, None, "conflict", ServerError, True, True),
    (404, "model_not_found", "invalid_request_error", "no such model", ModelUnavailable, False, True),
    (404, None, "NotFoundError", "The model `x` does not exist.", ModelUnavailable, False, True),
    (404, "DeploymentNotFound", None, "The API deployment does not exist.", ModelUnavailable, False, True),
    (404, None, None, "Not Found", RequestRejected, False, False),
    (400, "context_length_exceeded", None, "too long", ContextTooLong, False, True),
    (400, None, None, "This model's maximum context length is 8192", ContextTooLong, False, True),
    (400, "content_filter", None, "filtered", ContentFiltered, False, False),
    (400, "content_policy_violation", None, "policy", ContentFiltered, False, False),
    (400, "invalid_value", "invalid_request_error", "bad", RequestRejected, False, False),
    (413, None, None, "too large", RequestRejected, False, False),
    (422, None, None, "unprocessable", RequestRejected, False, False),
    (429, "rate_limit_exceeded", "tokens", "Request too large on tokens per min (TPM): Limit 30000, "
     "Requested 61234. The input or output tokens must be reduced.", RequestTooLarge, False, True),
    (429, "rate_limit_exceeded", "tokens", "Rate limit reached on tokens per min (TPM): Limit 250000, "
     "Used 249800, Requested 546. Please try again in 20s.", RateLimited, True, True),
    (429, None, None, "Request too large: Limit 250,000, Requested 546", RateLimited, True, True),
    (429, "rate_limit_exceeded", "tokens", "Limit 5000, Used 0, Requested ~5597.", RequestTooLarge, False,
     True),
    (429, None, None, "You requested 61,234 tokens, the limit is 30,000", RequestTooLarge, False, True),
    (429, None, None, "Gemini 2.5 Pro Preview doesn't have a free quota tier. Please use Gemini 2.5 Pro "
     "Experimental", ModelUnavailable, False, True),
    (413, "rate_limit_exceeded", "tokens", "Request too large for model `llama` on tokens per minute (TPM): "
     "Limit 12000, Requested 14137, please reduce your message size", RequestTooLarge, False, True),
    (429, None, "exceeded_current_quota_error", "not active", QuotaExhausted, False, False),
    (403, None, "exceeded_current_quota_error", "not active", QuotaExhausted, False, False),
    (429, "1113", None, "Please recharge.", QuotaExhausted, False, False),
    (429, None, None, "Your account is suspended due to insufficient balance", QuotaExhausted, False, False),
    (429, None, None, "Your team has either used all available credits or …", QuotaExhausted, False, False),
    (403, None, None, "Your team has either used all available credits or …", QuotaExhausted, False, False),
    (403, None, None, "Your paid balance is insufficient.", QuotaExhausted, False, False),
    (402, None, None, "Insufficient credits. Add more using https://…", QuotaExhausted, False, False),
    (400, None, "invalid_request_error", "Your credit balance is too low", QuotaExhausted, False, False),
    (429, None, "RESOURCE_EXHAUSTED", "You exceeded your current quota", RateLimited, True, True),
    (400, "model_decommissioned", None, "`x` has been decommissioned", ModelUnavailable, False, True),
    (400, None, None, "minimax-m2.5:free is not a valid model ID", ModelUnavailable, False, True),
    (400, "invalid_request_error", None, "Model Not Exist", ModelUnavailable, False, True),
    (400, None, "invalid_model", "Invalid model: mistral-x", ModelUnavailable, False, True),
    (404, None, None, "models/gemini-1.0-pro is not found for API version", ModelUnavailable, False, True),
    (404, None, None, "No endpoints found for deepseek/deepseek-chat.", ModelUnavailable, False, True),
    (400, None, "BadRequestError", "Requested token count exceeds the model's maximum context length",
     ContextTooLong, False, True),
    (400, None, None, "The input (9 tokens) is longer than the model's context length (8 tokens).",
     ContextTooLong, False, True),
    (400, None, "exceed_context_size_error", "the request exceeds …", ContextTooLong, False, True),
    (500, None, "exceed_context_size_error", "the request exceeds the available context size.",
     ContextTooLong, False, True),
    (400, None, None, "the input length exceeds the context length", ContextTooLong, False, True),
    (400, None, None, "The input token count (9) exceeds the maximum number of tokens allowed (8).",
     ContextTooLong, False, True),
    (400, None, None, "The decoder prompt (length 9) is longer than the maximum model length of 8.",
     ContextTooLong, False, True),
    (400, None, None, "The prompt (total length 9) is too long to fit into the model (context length 8).",
     ContextTooLong, False, True),
    (400, None, None, "Prompt exceeds max length", ContextTooLong, False, True),
    (400, "invalid_prompt", "invalid_request_error", "flagged", ContentFiltered, False, False),
    (400, "moderation_blocked", None, "blocked", ContentFiltered, False, False),
    (400, None, "INVALID_ARGUMENT", "API key not valid. Please pass a valid API key.",
     AuthenticationFailed, False, False),
    (520, None, None, "unknown", ServerError, True, True),
    (527, None, None, "railgun", ServerError, True, True),
    (401, "invalid_api_key", None, "wrong key", AuthenticationFailed, False, False),
    (403, None, None, "not allowed", PermissionDenied, False, False),
]  # fmt: skip


@pytest.mark.parametrize(("status", "code", "type_", "message", "expected", "same", "other"), TABLE)
def test_the_errors_table(
    status: int, code: str | None, type_: str | None, message: str, expected: type, same: bool, other: bool
) -> None:
    error = classify(status, code=code, type=type_, message=message)
    assert error is expected
    assert (error.retryable, error.falls_back) == (same, other)


@pytest.mark.parametrize("kind", ALL_KINDS)
@pytest.mark.parametrize(("status", "code", "type_", "message", "expected", "same", "other"), TABLE)
def test_a_status_gives_its_class_over_the_wire(
    kind: str,
    status: int,
    code: str | None,
    type_: str | None,
    message: str,
    expected: type,
    same: bool,
    other: bool,
) -> None:
    body = json.dumps(
        {"error": {"message": message, "type": type_, "code": code, "param": "messages"}}
    ).encode()
    answer = http(body, status=f"{status} Oops", headers="x-request-id: req_7\r\nretry-after-ms: 1500\r\n")
    with wire(lambda peer: peer.say(answer)) as server:
        with (
            once(make_client(kind, server.base_url)) as chat,
            pytest.raises(ChatError) as caught,
        ):
            chat.generate("Merhaba")
    error = caught.value
    assert type(error) is expected
    assert (error.status, error.request_id, error.retry_after) == (status, "req_7", 1.5)
    assert (error.code, error.param, error.model) == (code, "messages", "gpt-6.1-terra")
    assert message in str(error)
    assert len(server.requests) == 1, "the SDK's own retries are off"


@pytest.mark.parametrize("kind", ALL_KINDS)
def test_a_page_of_html_with_a_status_is_classified_by_the_status(kind: str) -> None:
    answer = http(b"<html>502</html>", status="502 Bad Gateway")
    with wire(lambda peer: peer.say(answer)) as server:
        with (
            once(make_client(kind, server.base_url)) as chat,
            pytest.raises(ServerError, match="502"),
        ):
            chat.generate("Merhaba")


@pytest.mark.parametrize("kind", ALL_KINDS)
@pytest.mark.parametrize(("word", "expected"), [("true", True), ("false", False)])
def test_x_should_retry_wins_over_the_table(kind: str, word: str, expected: bool) -> None:
    status = "400 Bad Request" if expected else "500 Oops"
    answer = http(b"{}", status=status, headers=f"x-should-retry: {word}\r\n")
    with wire(lambda peer: peer.say(answer)) as server:
        with (
            once(make_client(kind, server.base_url)) as chat,
            pytest.raises(ChatError) as caught,
        ):
            chat.generate("Merhaba")
    assert caught.value.retryable is expected


@pytest.mark.parametrize("kind", ALL_KINDS)
def test_a_refused_connection_is_connection_failed(kind: str) -> None:
    with once(make_client(kind, unused_url())) as chat, pytest.raises(ConnectionFailed):
        chat.generate("Merhaba")


def unused_url() -> str:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{unused.getsockname()[1]}/v1"


@pytest.mark.parametrize("kind", ALL_KINDS)
def test_a_connection_that_was_never_made_sent_nothing(kind: str) -> None:
    with once(make_client(kind, unused_url())) as chat, pytest.raises(ConnectionFailed) as caught:
        chat.generate("Merhaba")
    assert not caught.value.sent


@pytest.mark.parametrize("kind", ALL_KINDS)
def test_a_host_that_does_not_exist_was_sent_nothing(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: object, **__: object) -> object:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with once(make_client(kind, "http://nowhere.invalid/v1")) as chat:
        with pytest.raises(ConnectionFailed) as caught:
            chat.generate("Merhaba")
    assert not caught.value.sent


@pytest.mark.parametrize("kind", ["async", "sync"])
def test_a_key_that_no_header_can_carry_was_not_sent(kind: str) -> None:
    with wire(lambda peer: peer.say(http(b"{}"))) as server:
        client = make_client(kind, server.base_url)
        client.api_key = "sk-with-a-line\n-break"  # type: ignore[attr-defined]
        with once(client) as chat, pytest.raises(AuthenticationFailed) as caught:
            chat.generate("Merhaba")
    assert not caught.value.sent
    assert server.requests == []


@pytest.mark.parametrize("kind", ALL_KINDS)
@pytest.mark.parametrize("script", [lambda peer: peer.reset(), lambda peer: peer.pause(30)])
def test_a_request_that_found_its_server_was_sent(kind: str, script: Callable[[Peer], None]) -> None:
    with wire(script) as server, once(make_client(kind, server.base_url), timeout=0.4) as chat:
        with pytest.raises((ConnectionFailed, RequestTimedOut)) as caught:
            chat.generate("Merhaba")
    assert caught.value.sent


@pytest.mark.parametrize(
    "cause", [httpx2.ConnectTimeout("slow"), httpx2.PoolTimeout("no connection free")], ids=type
)
def test_a_time_that_ran_out_before_the_connection_sent_nothing(
    cause: httpx2.TimeoutException,
) -> None:
    exception = openai.APITimeoutError(request=httpx2.Request("POST", "http://127.0.0.1/v1"))
    exception.__cause__ = cause
    error = translate(exception, ChatRequest((), "m"))
    assert type(error) is RequestTimedOut
    assert not error.sent


def test_a_request_that_is_larger_than_the_limit_is_sent_once_and_falls_back_at_once() -> None:
    message = "Request too large for a on tokens per min (TPM): Limit 30000, Requested 61234."
    body = json.dumps({"error": {"message": message, "type": "tokens", "code": "rate_limit_exceeded"}})

    def script(peer: Peer) -> None:
        if server.requests[-1]["model"] == "a":
            peer.say(http(body.encode(), status="429 Too Many Requests", headers="retry-after: 30\r\n"))
        else:
            peer.say(http(json.dumps(completion("Selam!")).encode()))

    with wire(script) as server:
        client = make_client("async", server.base_url)
        with ChatClientWrapper(client, model="a", fallbacks=["b"], deadline=20) as chat:
            assert chat.generate("Merhaba").text == "Selam!"
            assert chat.generate("Merhaba", model="b").text == "Selam!"
    assert [request["model"] for request in server.requests] == ["a", "b", "b"]


def half_then(end: str) -> object:
    body = json.dumps(completion()).encode()

    def script(peer: Peer) -> None:
        peer.say(http(body[:40], length=len(body)))
        peer.pause(0.05)
        if end == "reset":
            peer.reset()
        else:
            peer.close()

    return script


@pytest.mark.parametrize("kind", ALL_KINDS)
@pytest.mark.parametrize("end", ["reset", "close"])
def test_a_connection_cut_in_the_body_is_connection_failed(kind: str, end: str) -> None:
    with wire(half_then(end)) as server:  # type: ignore[arg-type]
        with (
            once(make_client(kind, server.base_url)) as chat,
            pytest.raises(ChatError) as caught,
        ):
            chat.generate("Merhaba")
    assert type(caught.value) is ConnectionFailed


def silent(peer: Peer) -> None:
    peer.pause(30)


def drip(peer: Peer) -> None:
    body = json.dumps(completion()).encode()
    peer.say(http(b"", length=len(body)))
    for byte in body:
        if peer.pause(0.05):
            return
        peer.say(bytes([byte]))


@pytest.mark.parametrize("kind", ALL_KINDS)
@pytest.mark.parametrize("script", [drip, silent], ids=["drips", "never answers"])
def test_a_slow_body_ends_within_the_timeout(kind: str, script: object) -> None:
    with wire(script) as server:  # type: ignore[arg-type]
        with once(make_client(kind, server.base_url), timeout=0.4) as chat:
            started = time.monotonic()
            with pytest.raises(RequestTimedOut, match=r"within 0\.4 s"):
                chat.generate("Merhaba")
            took = time.monotonic() - started
    assert took >= 0.39
    assert took < 10, "the drip takes 20 s, the silence 30"


@pytest.mark.parametrize("kind", ["async", "sync"])
def test_a_request_that_timed_out_is_hung_up_on(kind: str) -> None:
    with wire(drip) as server, once(make_client(kind, server.base_url), timeout=1) as chat:
        with pytest.raises(RequestTimedOut):
            chat.generate("Merhaba")
        assert server.hung_up.wait(60)


@pytest.mark.parametrize("kind", ALL_KINDS)
def test_the_deadline_ends_the_whole_call(kind: str) -> None:
    with wire(silent) as server:
        with once(make_client(kind, server.base_url), deadline=0.3) as chat:
            with pytest.raises(DeadlineExceeded, match=r"deadline of 0\.[23]"):
                chat.generate("Merhaba")


@pytest.mark.parametrize("kind", ALL_KINDS)
def test_the_key_in_an_error_message_of_the_api_is_taken_out(kind: str) -> None:
    message = f"Incorrect API key provided: {KEY}. Bearer {KEY}"
    body = json.dumps({"error": {"message": message, "code": "invalid_api_key"}}).encode()
    with wire(lambda peer: peer.say(http(body, status="401 Unauthorized"))) as server:
        with (
            once(make_client(kind, server.base_url)) as chat,
            pytest.raises(AuthenticationFailed) as caught,
        ):
            chat.generate("Merhaba")
    assert KEY not in str(caught.value)
    assert "Incorrect API key provided" in str(caught.value)
