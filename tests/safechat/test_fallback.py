"""Fallback, alone and in the wrapper."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import pytest

from fakes import AsyncFake
from safechat import (
    AuthenticationFailed,
    BreakerPolicy,
    ChatClientWrapper,
    ChatError,
    ChatReply,
    ChatRequest,
    CircuitOpen,
    ContentFiltered,
    ContextTooLong,
    DeadlineExceeded,
    EmptyReply,
    MalformedReply,
    ModelUnavailable,
    PermissionDenied,
    QuotaExhausted,
    RateLimited,
    RequestRejected,
    RequestTimedOut,
    RetryPolicy,
    ServerError,
)
from safechat.deadline import Deadline
from safechat.errors import NO_FIT
from safechat.fallback import Fallback, Target, TimeLimits, turn_ends
from safechat.layers import Layers, Policies
from safechat.log.record import call_record
from safechat.messages import Handler
from safechat.retry import Retried
from safechat.testing import ScriptedClient, ScriptedHandler
from virtual_time import now, run


def request(**fields: Any) -> ChatRequest:
    return ChatRequest(messages=({"role": "user", "content": "Merhaba"},), model="first", **fields)


def stream(**fields: Any) -> ChatRequest:
    async def on_piece(_: str) -> None:
        pass

    return request(on_piece=on_piece, **fields)


def layer(*handlers: Handler, breaker: BreakerPolicy | None = None) -> Fallback:
    first, *others = handlers
    names = ["second", "third", "fourth"]
    return Fallback(first, [Target(other, name) for other, name in zip(others, names, strict=False)], breaker)


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


async def hangs(_: ChatRequest) -> ChatReply:
    await asyncio.sleep(10_000)
    raise AssertionError


def after(seconds: float) -> Handler:
    """A healthy handler that takes so many seconds."""

    async def answers(request: ChatRequest) -> ChatReply:
        await asyncio.sleep(seconds)
        return ChatReply("ok", request.model)

    return answers


def test_a_model_that_hangs_leaves_time_for_the_next() -> None:
    async def main() -> None:
        started = now()
        reply = await Deadline(layer(hangs, after(0.5)))(request(timeout=10.0, deadline=started + 3))
        assert (reply.model, reply.attempts) == ("second", 2)
        assert now() - started == pytest.approx(2.5, abs=0.01)

    run(main())


def test_a_request_that_was_left_is_logged_and_kept(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        call = Deadline(layer(hangs, ScriptedHandler(ServerError("503", model="second"))))
        with pytest.raises(ServerError) as caught:
            await call(request(deadline=now() + 3))
        (left,) = caught.value.failures
        assert str(left) == "first: no answer within 2 s, its share of the call's deadline"
        assert (left.kind, left.attempts) == ("deadline_exceeded", 1)

    run(main())
    failed = [record for record in caplog.records if record.getMessage() == "chat.attempt_failed"]
    assert [(record.model, record.attempt) for record in failed] == [("first", 1)]  # type: ignore[attr-defined]


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


def test_an_api_that_hangs_opens_its_circuit() -> None:
    asked = 0

    async def counted(request: ChatRequest) -> ChatReply:
        nonlocal asked
        asked += 1
        return await hangs(request)

    async def main() -> None:
        call = Deadline(layer(counted))
        outcomes = []
        for _ in range(15):
            with pytest.raises(ChatError) as caught:
                await call(request(timeout=10.0, deadline=now() + 1))
            outcomes.append(caught.type)
        assert outcomes == [DeadlineExceeded] * 5 + [CircuitOpen] * 10

    run(main())
    assert asked == 5


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


def test_time_that_ran_out_before_a_request_was_under_way_does_not_open_the_circuit() -> None:
    async def waits(_: ChatRequest) -> ChatReply:
        with call_record() as record, record.wait():
            await asyncio.sleep(1000)
        raise AssertionError

    async def waits_long(request: ChatRequest) -> ChatReply:
        with call_record() as record, record.wait():
            await asyncio.sleep(0.9)
        return await hangs(request)

    async def main() -> None:
        for handler in (waits, waits_long):
            call = Deadline(layer(handler, breaker=BreakerPolicy(failures=1)))
            for _ in range(3):
                with pytest.raises(DeadlineExceeded):
                    await call(request(deadline=now() + 1))

    run(main())


def test_cancelled_calls_do_not_open_the_circuit() -> None:
    async def main() -> None:
        handler = Deadline(layer(hangs, breaker=BreakerPolicy(failures=1)))
        for _ in range(3):
            call = asyncio.create_task(handler(request(deadline=now() + 3)))
            await asyncio.sleep(2)
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call

    run(main())


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


def test_while_open_a_model_without_a_fallback_fails_at_once() -> None:
    handler = ScriptedHandler(ServerError("503", model="first"))

    async def main() -> None:
        fallback = layer(handler, breaker=BreakerPolicy(failures=2))
        for _ in range(2):
            with pytest.raises(ServerError):
                await fallback(request())
        with pytest.raises(CircuitOpen, match=r"left alone for 15\.0 s more") as caught:
            await fallback(request())
        assert caught.value.retry_after == pytest.approx(15, abs=0.1)
        assert caught.value.attempts == 0

    run(main())
    assert len(handler.requests) == 2


def test_wrong_requests_never_open_the_circuit() -> None:
    handler = ScriptedHandler(*[RequestRejected("400")] * 20, "ok")

    async def main() -> None:
        fallback = layer(handler, breaker=BreakerPolicy(failures=3))
        for _ in range(20):
            with pytest.raises(RequestRejected):
                await fallback(request())
        assert (await fallback(request())).text == "ok"

    run(main())


@pytest.mark.parametrize(
    "error",
    [
        EmptyReply("no text"),
        MalformedReply("no fit", code=NO_FIT),
        RateLimited("429"),
        ContentFiltered("400"),
    ],
    ids=lambda error: error.kind,
)
def test_what_is_one_callers_own_never_opens_the_circuit(error: ChatError) -> None:
    async def main() -> None:
        fallback = layer(ScriptedHandler(error), breaker=BreakerPolicy(failures=1))
        for _ in range(3):
            with pytest.raises(type(error)):
                await fallback(request())

    run(main())


def test_only_a_timeout_of_the_wrappers_own_length_opens_the_circuit() -> None:
    async def main() -> None:
        handler = ScriptedHandler(RequestTimedOut("slow"))
        fallback = Fallback(handler, breaker=BreakerPolicy(failures=2), time_limits=TimeLimits(timeout=10))
        for _ in range(5):
            with pytest.raises(RequestTimedOut):
                await fallback(request(timeout=0.05))
        for _ in range(2):
            with pytest.raises(RequestTimedOut):
                await fallback(request(timeout=10.0))
        with pytest.raises(CircuitOpen):
            await fallback(request(timeout=10.0))

    run(main())


def test_only_a_deadline_of_the_wrappers_own_length_opens_the_circuit() -> None:
    async def main() -> None:
        call = Deadline(
            Fallback(hangs, breaker=BreakerPolicy(failures=2), time_limits=TimeLimits(deadline=3))
        )
        for _ in range(5):
            with pytest.raises(DeadlineExceeded):
                await call(request(deadline=now() + 0.05))
        for _ in range(2):
            with pytest.raises(DeadlineExceeded):
                await call(request(deadline=now() + 3))
        with pytest.raises(CircuitOpen):
            await call(request(deadline=now() + 3))

    run(main())


def test_a_call_counts_once_however_many_requests_it_made() -> None:
    async def main() -> None:
        dead = ScriptedHandler(ServerError("503"))
        fallback = layer(Retried(dead, RetryPolicy(attempts=3)), breaker=BreakerPolicy(failures=2))
        for _ in range(2):
            with pytest.raises(ServerError):
                await fallback(request())
        with pytest.raises(CircuitOpen):
            await fallback(request())
        assert len(dead.requests) == 6

    run(main())


class Streaming:
    """A handler whose streams begin after `silence` and end `length` later, in seconds."""

    def __init__(self, silence: float, length: float) -> None:
        self.silence = silence
        self.length = length

    async def __call__(self, request: ChatRequest) -> ChatReply:
        await asyncio.sleep(self.silence)
        if request.on_start is not None:
            request.on_start({})
            await asyncio.sleep(self.length)
        return ChatReply("ok", request.model)


def test_a_stream_that_has_begun_is_not_left_for_another_model() -> None:
    async def main() -> None:
        call = Deadline(layer(Streaming(1.9, 1), after(0)))
        assert (await call(stream(deadline=now() + 3))).model == "first"
        call = Deadline(layer(Streaming(2.1, 1), after(0)))
        assert (await call(stream(deadline=now() + 3))).model == "second"

    run(main())


def test_a_stream_that_has_begun_and_is_read_slowly_does_not_open_the_circuit() -> None:
    async def main() -> None:
        call = Deadline(layer(Streaming(0.1, 100), breaker=BreakerPolicy(failures=1)))
        for _ in range(3):
            with pytest.raises(DeadlineExceeded):
                await call(stream(deadline=now() + 3))

    run(main())


def test_the_first_piece_of_a_stream_that_is_the_probe_lets_all_others_in() -> None:
    async def main() -> None:
        handlers: list[Handler] = [ScriptedHandler(ServerError("503")), Streaming(1, 100)]

        async def handler(request: ChatRequest) -> ChatReply:
            return await handlers[0](request)

        fallback = layer(handler, breaker=BreakerPolicy(failures=1, cooldown=5))
        with pytest.raises(ServerError):
            await fallback(request())
        del handlers[0]
        await asyncio.sleep(5)
        probe = asyncio.create_task(fallback(stream()))
        await asyncio.sleep(0.5)
        with pytest.raises(CircuitOpen) as caught:
            await fallback(request())
        assert caught.value.retry_after == 5
        await asyncio.sleep(0.6)
        assert (await fallback(request())).text == "ok"
        assert not probe.done()
        await probe

    run(main())


def test_a_cancelled_probe_makes_room_for_another() -> None:
    async def main() -> None:
        outcomes: list[object] = [ServerError("503", model="first"), "hang", "ok"]

        async def handler(_: ChatRequest) -> ChatReply:
            outcome = outcomes.pop(0)
            if isinstance(outcome, Exception):
                raise outcome
            if outcome == "hang":
                await asyncio.sleep(1000)
            return ChatReply("ok", "first")

        fallback = layer(handler, breaker=BreakerPolicy(failures=1, cooldown=5))
        with pytest.raises(ServerError):
            await fallback(request())
        await asyncio.sleep(6)
        probe = asyncio.create_task(fallback(request()))
        await asyncio.sleep(0.1)
        with pytest.raises(CircuitOpen):
            await fallback(request())
        probe.cancel()
        await asyncio.gather(probe, return_exceptions=True)
        assert (await fallback(request())).text == "ok"

    run(main())


async def outcomes(
    layers: Layers, calls: int, deadline: float, at_once: int = 1, **fields: Any
) -> Counter[str]:
    """How the calls end: with `ok`, or with an error of this kind."""
    kinds: Counter[str] = Counter()
    numbers = iter(range(calls))

    async def caller() -> None:
        for _ in numbers:
            try:
                await layers.answer(request(**fields), deadline)
                kinds["ok"] += 1
            except ChatError as error:
                kinds[error.kind] += 1

    await asyncio.gather(*(caller() for _ in range(at_once)))
    return kinds


@pytest.mark.parametrize("seconds", [0.0, 0.1, 10.0])
def test_200_calls_to_an_api_that_is_down_make_at_most_100_requests(seconds: float) -> None:
    client = AsyncFake(seconds, fails=lambda _: ServerError("503", status=503))
    kinds = run(outcomes(Layers.build(client, (), Policies()), 200, 60, at_once=50))
    assert sum(kinds.values()) == 200
    assert kinds["circuit_open"] > 100
    assert len(client.prompts) <= 100


def test_one_callers_short_time_limits_do_not_shut_the_others_out() -> None:
    async def main() -> None:
        layers = Layers.build(AsyncFake(2), (), Policies(time_limits=TimeLimits(10, 60)))
        assert await outcomes(layers, 10, 60, timeout=0.05) == {"timed_out": 10}
        assert await outcomes(layers, 10, 1) == {"deadline_exceeded": 10}
        assert await outcomes(layers, 2, 60) == {"ok": 2}

    run(main())


def test_a_client_that_hangs_costs_no_call_its_answer() -> None:
    async def main() -> None:
        first = AsyncFake(10_000)
        policies = Policies(time_limits=TimeLimits(timeout=10, deadline=1.5))
        layers = Layers.build(first, [(AsyncFake(0.1), "second")], policies)
        assert await outcomes(layers, 15, 1.5) == {"ok": 15}
        assert len(first.prompts) == 5

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
        ([5], "a model or a pair"),
        ([("x", "m")], r"chat\.completions\.create"),
        ([""], "model is empty"),
    ],
)
def test_wrong_fallbacks_are_refused(fallbacks: Any, words: str) -> None:
    with pytest.raises((TypeError, ValueError), match=words):
        ChatClientWrapper(ScriptedClient("x"), fallbacks=fallbacks)
