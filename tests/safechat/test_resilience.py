"""LLMock breaks the API in each of its ways and judges the client: its verdict must be clean."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from llmock.chaos import StreamChaos
from llmock.ratelimit import LimitSettings
from llmock.scenarios import Behavior, Delay, Fail, SlowFirstToken, StreamFault
from llmock.testing import LLMockServer
from llmock.verdict import Verdict, judge

from clients import KEY, SDK_KINDS, make_client
from safechat import (
    AuthenticationFailed,
    ChatClientWrapper,
    ChatError,
    ContextTooLong,
    ModelUnavailable,
    PermissionDenied,
    QuotaExhausted,
    RequestRejected,
    RetryPolicy,
)


@pytest.fixture(scope="module")
def running() -> Iterator[LLMockServer]:
    with LLMockServer() as server:
        yield server
        if server._server is not None:
            server._server.force_exit = True  # not to wait for answers that are delayed on purpose


@pytest.fixture
def server(running: LLMockServer) -> LLMockServer:
    running.state.reset()
    running.state.limiter.configure(LimitSettings())
    running.state.stream_chaos = StreamChaos()
    return running


WAYS = [*((kind, "chat") for kind in SDK_KINDS), ("async", "responses"), ("thread", "responses")]


@pytest.fixture(params=WAYS, ids="-".join)
def chat(request: pytest.FixtureRequest, server: LLMockServer) -> Iterator[ChatClientWrapper]:
    kind, api = request.param
    client = make_client(kind, server.base_url())
    with ChatClientWrapper(client, timeout=20, retry=RetryPolicy(base=0.2), api=api) as wrapper:
        yield wrapper


def time_limit(behavior: Behavior) -> float:
    """Seconds: less than an API takes that is slow on purpose, and more than an answer on a busy machine."""
    is_slow = isinstance(behavior, Delay) or (isinstance(behavior, StreamFault) and behavior.kind == "stall")
    return 2.0 if is_slow else 20.0


def verdict(server: LLMockServer) -> Verdict:
    return judge(server.state.journal.records(wait=2))


@pytest.mark.parametrize(
    "behavior",
    [
        *[Fail(status, times=2) for status in (408, 409, 500, 502)],
        # Without a time of the test's, LLMock asks for a second.
        *[Fail(status, retry_after=0.3, times=2) for status in (429, 503, 504, 529)],
        Delay(3),
    ],
    ids=str,
)
def test_a_whole_answer_survives(server: LLMockServer, chat: ChatClientWrapper, behavior: Behavior) -> None:
    server.state.scenarios.add(behavior)
    reply = chat.generate("Merhaba", timeout=time_limit(behavior))
    assert reply.attempts == (behavior.times or 0) + 1
    verdict(server).assert_ok(strict=True)


@pytest.mark.parametrize(
    "behavior",
    [
        *[StreamFault(kind, after_chunks=1) for kind in ("disconnect", "truncate", "malformed")],
        StreamFault("disconnect", after_chunks=0),
        StreamFault("stall", after_chunks=1, stall_seconds=3),
        SlowFirstToken(0.5),
        Fail(503, retry_after=0.3, times=2),
        Fail(429, retry_after=0.3, times=2),
    ],
    ids=str,
)
def test_a_stream_survives(server: LLMockServer, chat: ChatClientWrapper, behavior: Behavior) -> None:
    if isinstance(behavior, StreamFault) and behavior.kind == "malformed":
        # A server that has said everything before the client hangs up cannot see that it did.
        server.state.stream_chaos = StreamChaos(chunk_delay_ms=100)
    server.state.scenarios.add(behavior)
    stream = chat.stream("Merhaba", timeout=time_limit(behavior))
    text = "".join(stream)
    assert text == stream.reply.text != ""
    verdict(server).assert_ok(strict=True)


@pytest.mark.parametrize(
    ("fail", "expected"),
    [
        (Fail(400), RequestRejected),
        (Fail(401), AuthenticationFailed),
        (Fail(403), PermissionDenied),
        (Fail(404), RequestRejected),
        (Fail(404, code="model_not_found"), ModelUnavailable),
        (Fail(422), RequestRejected),
        (Fail(429, code="insufficient_quota"), QuotaExhausted),
    ],
    ids=str,
)
@pytest.mark.parametrize("streamed", [False, True])
def test_what_cannot_be_helped_is_one_request_and_one_typed_error(
    server: LLMockServer, chat: ChatClientWrapper, fail: Fail, expected: type[ChatError], streamed: bool
) -> None:
    server.state.scenarios.add(fail)
    with pytest.raises(expected) as caught:
        list(chat.stream("Merhaba")) if streamed else chat.generate("Merhaba")
    assert type(caught.value) is expected
    assert len(server.state.journal.records(wait=2)) == 1
    assert not verdict(server).errors


def test_a_context_overflow_is_typed_and_not_repeated(server: LLMockServer, chat: ChatClientWrapper) -> None:
    server.state.limiter.configure(LimitSettings(context_window=10))
    with pytest.raises(ContextTooLong):
        chat.generate("çok uzun " * 100)
    verdict(server).assert_ok(strict=True)


def test_a_quota_is_kept_by_following_its_headers(server: LLMockServer, chat: ChatClientWrapper) -> None:
    server.state.limiter.configure(LimitSettings(rpm=1200))
    replies = list(chat.map([f"Soru {number}" for number in range(40)]))
    assert not [reply for reply in replies if isinstance(reply, ChatError)]
    verdict(server).assert_ok(strict=True)


def test_a_small_quota_that_others_have_used_up_is_waited_for(
    server: LLMockServer, chat: ChatClientWrapper
) -> None:
    server.state.limiter.configure(LimitSettings(rpm=120))
    for _ in range(121):
        server.state.limiter.admit("openai", f"Bearer {KEY}", 1)
    assert chat.generate("Merhaba").text
    verdict(server).assert_ok(strict=True)


def test_an_api_that_never_answers_ends_within_the_deadline(
    server: LLMockServer, chat: ChatClientWrapper
) -> None:
    server.state.scenarios.add(Delay(30, times=None))
    started = time.monotonic()
    with pytest.raises(ChatError):
        chat.generate("Merhaba", timeout=0.5, deadline=1)
    assert time.monotonic() - started < 25, "the API answers after 30 s"
    assert server.state.journal.in_flight <= 3


def test_an_outage_makes_no_storm(server: LLMockServer, chat: ChatClientWrapper) -> None:
    server.state.scenarios.add(Fail(503, retry_after=0.05, times=None))
    outcomes = list(chat.map(["Merhaba"] * 200, workers=50))
    assert all(isinstance(outcome, ChatError) for outcome in outcomes)
    assert len(server.state.journal.records(wait=2)) <= 100
