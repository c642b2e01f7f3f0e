"""Fallback, alone and in the wrapper: who is asked next, and for how long."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from handlers import Streaming, after, hangs, layer, request, stream, waits
from safechat import (
    AuthenticationFailed,
    BreakerPolicy,
    ChatClientWrapper,
    ChatError,
    ChatReply,
    ChatRequest,
    ContentFiltered,
    ContextTooLong,
    DeadlineExceeded,
    ModelUnavailable,
    PermissionDenied,
    QuotaExhausted,
    RateLimited,
    RequestRejected,
    RetryPolicy,
    ServerError,
)
from safechat.deadline import Deadline
from safechat.fallback import Fallback, Target, turn_ends
from safechat.log.call_record import call_record
from safechat.messages import Handler
from safechat.retry import Retried
from safechat.testing import ScriptedClient, ScriptedHandler
from virtual_time import now, run


@pytest.mark.parametrize(
    "error", [ServerError("503"), RateLimited("429"), ModelUnavailable("shut down"), ContextTooLong("long")],
    ids=lambda error: error.kind,
)  # fmt: skip
def test_the_next_model_answers_and_the_reply_says_which(error: ChatError) -> None:
    first, second = ScriptedHandler(error), ScriptedHandler("Merhaba!")
    reply = run(layer(first, second)(request()))
    assert (reply.text, reply.model, reply.attempts) == ("Merhaba!", "second", 2)
    assert len(first.requests) == 1


@pytest.mark.parametrize(
    "error",
    [
        RequestRejected("400"),
        AuthenticationFailed("401"),
        PermissionDenied("403"),
        ContentFiltered("400"),
        QuotaExhausted("429"),
    ],
    ids=lambda error: error.kind,
)
def test_an_error_that_no_model_would_mend_does_not_fall_back(error: ChatError) -> None:
    second = ScriptedHandler("never")
    with pytest.raises(type(error)):
        run(layer(ScriptedHandler(error), second)(request()))
    assert second.requests == []


def test_when_all_fail_the_error_sums_up_every_one() -> None:
    first = ServerError("503", model="first", attempts=3)
    second = RateLimited("429", model="second", attempts=2)
    third = ServerError("500: oops", model="third", attempts=1)
    with pytest.raises(ServerError) as caught:
        run(layer(*map(ScriptedHandler, (first, second, third)))(request()))
    targets = "first server_error ×3, second rate_limited ×2, third server_error ×1"
    assert str(caught.value) == f"no model answered ({targets}); the last: 500: oops"
    assert caught.value.attempts == 6


def test_no_new_model_is_tried_after_the_deadline() -> None:
    async def begins_and_fails_late(request: ChatRequest) -> ChatReply:
        assert request.on_start is not None
        request.on_start({})
        await asyncio.sleep(5)
        raise ServerError("503", model="first")

    second = ScriptedHandler("never")

    async def main() -> None:
        with pytest.raises(ServerError):
            await layer(begins_and_fails_late, second)(stream(deadline=now() + 3))

    run(main())
    assert second.requests == []


def test_an_error_of_the_limits_that_may_fall_back_does() -> None:
    too_late = DeadlineExceeded("40 s to wait", model="first", attempts=0, falls_back=True, sent=False)
    reply = run(layer(ScriptedHandler(too_late), ScriptedHandler("Merhaba!"))(request()))
    assert (reply.model, reply.attempts) == ("second", 1)


def test_without_another_model_an_error_that_may_fall_back_is_itself() -> None:
    too_late = DeadlineExceeded("40 s to wait", model="first", attempts=0, falls_back=True, sent=False)
    with pytest.raises(DeadlineExceeded, match=r"^40 s to wait$") as caught:
        run(layer(ScriptedHandler(too_late))(request()))
    assert caught.value.attempts == 0


@pytest.mark.parametrize(
    ("deadline", "timeout", "others", "ends"),
    [
        (60, 10, 1, 50),  # there is room for an attempt of the other one
        (60, 10, 3, 40),  # at most a third is kept for others
        (9, 10, 1, 6),
        (9, 10, 2, 6),
        (-1, 10, 1, -1),
        (9, float("inf"), 1, 6),
    ],
)
def test_where_a_turn_ends(deadline: float, timeout: float, others: int, ends: float) -> None:
    assert turn_ends(100, 100 + deadline, timeout, others) == pytest.approx(100 + ends)


def test_a_model_that_hangs_leaves_time_for_the_next() -> None:
    async def main() -> None:
        started = now()
        reply = await Deadline(layer(hangs, after(0.5)))(request(timeout=10.0, deadline=started + 3))
        assert (reply.model, reply.attempts) == ("second", 2)
        assert now() - started == pytest.approx(2.5, abs=0.01)

    run(main())


async def fails_and_hangs(request: ChatRequest) -> ChatReply:
    if request.attempt == 1:
        raise ServerError("503", model="first")
    return await hangs(request)


def test_a_request_that_was_left_is_logged_and_kept(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        first = Retried(fails_and_hangs, RetryPolicy(base=0.001))
        call = Deadline(layer(first, ScriptedHandler(ServerError("503", model="second"))))
        with pytest.raises(ServerError) as caught:
            await call(request(deadline=now() + 3))
        _, left = caught.value.failures
        assert str(left) == "first: no answer within 2 s, its share of the call's deadline"
        assert (left.kind, left.attempts, caught.value.attempts) == ("deadline_exceeded", 2, 3)

    run(main())
    failed = [record for record in caplog.records if record.getMessage() == "chat.attempt_failed"]
    assert [record.attempt for record in failed] == [1, 2]  # type: ignore[attr-defined]


def test_the_last_model_and_the_only_one_have_all_the_time() -> None:
    async def main() -> None:
        alone = layer(after(2.9))
        assert (await Deadline(alone)(request(deadline=now() + 3))).model == "first"
        last = layer(ScriptedHandler(ServerError("503")), after(2.9))
        assert (await Deadline(last)(request(deadline=now() + 3))).model == "second"

    run(main())


def test_a_model_that_is_slow_and_healthy_is_not_left_within_two_thirds_of_the_time() -> None:
    async def main() -> None:
        slow = layer(after(1.9), after(0), after(0))
        assert (await Deadline(slow)(request(deadline=now() + 3))).model == "first"

    run(main())


def test_no_time_is_kept_for_a_model_whose_circuit_is_open() -> None:
    refuses = True

    async def first(request: ChatRequest) -> ChatReply:
        if refuses:
            raise RateLimited("429")
        return await after(2.9)(request)

    async def main() -> None:
        nonlocal refuses
        fallback = layer(first, ScriptedHandler(ServerError("503")), breaker=BreakerPolicy(failures=1))
        with pytest.raises(ServerError):
            await fallback(request())
        refuses = False
        assert (await Deadline(fallback)(request(deadline=now() + 3))).model == "first"

    run(main())


def test_an_api_that_hangs_opens_its_circuit_and_the_fallback_answers_all_calls() -> None:
    async def main() -> None:
        call = Deadline(layer(hangs, after(0.1)))
        seconds = []
        for _ in range(15):
            started = now()
            assert (await call(request(timeout=10.0, deadline=started + 1.5))).model == "second"
            seconds.append(round(now() - started, 2))
        assert seconds == [1.1] * 5 + [0.1] * 10

    run(main())


async def refuses_its_turn(request: ChatRequest) -> ChatReply:
    with call_record() as record, record.wait():
        raise DeadlineExceeded("40 s to wait", model="first", attempts=0, falls_back=True, sent=False)


@pytest.mark.parametrize("first", [waits, refuses_its_turn])
def test_only_requests_that_were_under_way_are_counted_and_logged(
    first: Handler, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        with pytest.raises(DeadlineExceeded) as caught:
            await Deadline(layer(first, hangs))(request(deadline=now() + 3))
        (waited,) = caught.value.failures
        assert (waited.attempts, waited.sent, caught.value.attempts) == (0, False, 1)

    run(main())
    assert "chat.attempt_failed" not in caplog.messages


def test_a_model_that_is_listed_twice_is_asked_once() -> None:
    handler = ScriptedHandler(ServerError("503", model="first"))
    with pytest.raises(ServerError):
        run(Fallback(handler, [Target(handler, "first")])(request()))
    assert len(handler.requests) == 1


def test_a_dead_first_model_costs_few_requests_and_is_used_again_when_it_recovers() -> None:
    dead = True
    asked: list[str] = []

    async def handler(request: ChatRequest) -> ChatReply:
        asked.append(request.model)
        if dead and request.model == "first":
            raise ServerError("503", model="first")
        return ChatReply("ok", request.model)

    async def main() -> None:
        nonlocal dead
        fallback = Fallback(handler, [Target(handler, "second")], BreakerPolicy(failures=5, cooldown=15))
        for _ in range(20):
            assert (await fallback(request())).model == "second"
        assert asked.count("first") == 5
        dead = False
        assert (await fallback(request())).model == "second", "the cooldown is not over"
        await asyncio.sleep(15)
        assert (await fallback(request())).model == "first"

    run(main())


def test_a_stream_that_has_begun_is_not_left_for_another_model() -> None:
    async def main() -> None:
        call = Deadline(layer(Streaming(1.9, 1), after(0)))
        assert (await call(stream(deadline=now() + 3))).model == "first"
        call = Deadline(layer(Streaming(2.1, 1), after(0)))
        assert (await call(stream(deadline=now() + 3))).model == "second"

    run(main())


ONCE = RetryPolicy(attempts=1)


def test_the_wrapper_falls_back_to_another_model_and_to_another_client() -> None:
    first = ScriptedClient(ServerError("503", model="a"))
    other = ScriptedClient("from elsewhere")
    with ChatClientWrapper(first, model="a", fallbacks=["b", (other, "c")], retry=ONCE) as chat:
        reply = chat.generate("Merhaba")
    assert (reply.text, reply.attempts) == ("from elsewhere", 3)
    assert [call["model"] for call in first.calls] == ["a", "b"]
    assert [call["model"] for call in other.calls] == ["c"]


def test_the_error_of_the_wrapper_carries_every_failure() -> None:
    client = ScriptedClient(*[ServerError(f"{number}", model="x") for number in range(4)])
    with ChatClientWrapper(client, fallbacks=["b"], retry=RetryPolicy(attempts=2, base=0.001)) as chat:
        with pytest.raises(ServerError) as caught:
            chat.generate("Merhaba")
    assert [str(failure) for failure in caught.value.failures] == ["0", "1", "2"]
    assert caught.value.attempts == 4


@pytest.mark.parametrize(
    ("fallbacks", "words"),
    [
        ("gpt-4o", "list of models"),
        ([5], "a model, or a tuple"),
        ([("x", "m")], "api must be one of"),
        ([(object(), "m")], r"chat\.completions\.create"),
        ([(object(), "m", "responses")], r"responses\.create"),
        ([""], "model is empty"),
    ],
)
def test_wrong_fallbacks_are_refused(fallbacks: Any, words: str) -> None:
    with pytest.raises((TypeError, ValueError), match=words):
        ChatClientWrapper(ScriptedClient("x"), fallbacks=fallbacks)
