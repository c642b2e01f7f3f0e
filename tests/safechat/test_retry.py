"""Retried, alone: when it tries again, how long it waits, and when it stops."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable
from typing import Any

import pytest

from safechat import (
    AuthenticationFailed,
    ChatError,
    ChatReply,
    ChatRequest,
    ConnectionFailed,
    ContentFiltered,
    MalformedReply,
    QuotaExhausted,
    RateLimited,
    RequestRejected,
    RequestTimedOut,
    RetryPolicy,
    ServerError,
    TruncatedReply,
)
from safechat.log.call_record import call_record
from safechat.retry import Retried, backoff
from safechat.testing import ScriptedHandler
from virtual_time import now, run


def request(**fields: Any) -> ChatRequest:
    return ChatRequest(messages=({"role": "user", "content": "Merhaba"},), model="m", **fields)


class Timed(ScriptedHandler):
    """A scripted handler that remembers when it was asked."""

    def __init__(self, *outcomes: Any) -> None:
        super().__init__(*outcomes)
        self.times: list[float] = []

    async def __call__(self, request: ChatRequest) -> ChatReply:
        self.times.append(now())
        return await super().__call__(request)

    @property
    def gaps(self) -> list[float]:
        return [later - earlier for earlier, later in zip(self.times, self.times[1:], strict=False)]


def answer(handler: ScriptedHandler, policy: RetryPolicy | None = None, **fields: Any) -> ChatReply:
    return run(Retried(handler, policy)(request(**fields)))


HELPED = [
    ServerError("500"),
    RateLimited("429"),
    ConnectionFailed("reset"),
    RequestTimedOut("slow"),
    MalformedReply("<"),
]
HOPELESS = [
    RequestRejected("400"),
    AuthenticationFailed("401"),
    QuotaExhausted("429"),
    ContentFiltered("400"),
    TruncatedReply("length"),
]


@pytest.mark.parametrize("error", HELPED, ids=lambda error: error.kind)
def test_an_error_that_can_be_helped_is_tried_again(error: ChatError) -> None:
    handler = Timed(error, "Merhaba!")
    reply = answer(handler)
    assert (reply.text, reply.attempts) == ("Merhaba!", 2)
    assert [request.attempt for request in handler.requests] == [1, 2]


@pytest.mark.parametrize("error", HOPELESS, ids=lambda error: error.kind)
def test_an_error_that_cannot_be_helped_is_not(error: ChatError) -> None:
    handler = Timed(error, "Merhaba!")
    with pytest.raises(type(error)) as caught:
        answer(handler)
    assert len(handler.requests) == caught.value.attempts == 1


@pytest.mark.parametrize(("word", "requests"), [(True, 2), (False, 1)])
def test_x_should_retry_wins_over_the_class(word: bool, requests: int) -> None:
    handler = Timed(
        ServerError("500", retryable=word) if not word else RequestRejected("400", retryable=word), "ok"
    )
    try:
        answer(handler)
    except ServerError:
        assert not word
    assert len(handler.requests) == requests


def test_attempts_are_bounded_and_counted_on_the_error() -> None:
    handler = Timed(ServerError("1"), ServerError("2"), ServerError("3"), "never")
    with pytest.raises(ServerError, match="3") as caught:
        answer(handler)
    assert caught.value.attempts == len(handler.requests) == 3


def test_each_wait_is_longer_than_the_one_before_and_within_its_bounds() -> None:
    for _ in range(50):
        handler = Timed(*[ServerError("500")] * 5, "ok")
        answer(handler, RetryPolicy(attempts=6, base=0.5, cap=3))
        bounds = [(0, 0.5), (0.6, 1), (1.2, 2), (1.8, 3), (1.8, 3)]
        for gap, (shortest, longest) in zip(handler.gaps, bounds, strict=True):
            assert shortest - 1e-3 <= gap <= longest + 1e-3


def test_waits_are_spread() -> None:
    waits = [backoff(RetryPolicy(), 2, random) for random in (lambda: 0.0, lambda: 0.5, lambda: 1.0)]
    assert waits == pytest.approx([0.6, 0.8, 1.0])


def test_a_retry_after_is_waited_out_with_a_little_jitter() -> None:
    for _ in range(20):
        handler = Timed(RateLimited("429", retry_after=5.0), "ok")
        answer(handler)
        assert 5.0 - 1e-3 <= handler.gaps[0] <= 5.25 + 1e-3


@pytest.mark.parametrize("retry_after", [100.0, 3.0])
def test_it_fails_at_once_rather_than_sleep_past_the_deadline(retry_after: float) -> None:
    handler = Timed(RateLimited("429", retry_after=retry_after), "never")

    async def main() -> float:
        started = now()
        with pytest.raises(RateLimited) as caught:
            await Retried(handler)(request(deadline=started + 3))
        assert caught.value.retry_after == retry_after
        return now() - started

    assert run(main()) < 0.01
    assert len(handler.requests) == 1


def test_no_attempt_begins_after_the_deadline() -> None:
    begun: list[float] = []

    async def silent(request: ChatRequest) -> ChatReply:
        begun.append(now())
        await asyncio.sleep(request.timeout)
        raise RequestTimedOut("nothing", model="m")

    async def main() -> float:
        started = now()
        with pytest.raises(RequestTimedOut):
            await Retried(silent, RetryPolicy(attempts=10))(request(timeout=1.0, deadline=started + 3))
        return started

    started = run(main())
    assert 2 <= len(begun) <= 3
    assert max(begun) < started + 3


def test_every_failure_is_in_the_record() -> None:
    async def main() -> list[ChatError]:
        with call_record() as record:
            await Retried(Timed(ServerError("1"), ConnectionFailed("2"), "ok"))(request())
            return record.failures

    assert [(type(failure), str(failure)) for failure in run(main())] == [
        (ServerError, "1"),
        (ConnectionFailed, "2"),
    ]


def test_other_exceptions_pass_through_untouched() -> None:
    handler = Timed(LookupError("not ours"), "never")
    with pytest.raises(LookupError):
        answer(handler)
    assert len(handler.requests) == 1


def test_cancelling_ends_the_wait() -> None:
    async def main() -> None:
        handler = Timed(RateLimited("429", retry_after=50.0), "never")
        call = asyncio.create_task(Retried(handler)(request()))
        await asyncio.sleep(1)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        assert len(handler.requests) == 1

    run(main())


def test_a_retry_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "safechat"):
        answer(Timed(ServerError("500", status=500), "ok"))
    (record,) = (record for record in caplog.records if record.getMessage() == "chat.retry")
    assert (record.model, record.attempt, record.kind) == ("m", 1, "server_error")  # type: ignore[attr-defined]


def test_a_wait_that_the_api_asks_for_is_never_shorter_than_the_backoff() -> None:
    for asked_for in (0.0, 0.001):
        handler = Timed(*[ServerError("503", retry_after=asked_for)] * 4, "ok")
        run(Retried(handler, RetryPolicy(attempts=5), random=lambda: 0.5)(request()))
        assert handler.gaps == pytest.approx([0.25, 0.8, 1.6, 3.2], abs=1e-3)


def test_a_wait_that_the_api_asks_for_is_spread_too() -> None:
    gaps = []
    for number in (0.0, 0.5, 1.0):
        handler = Timed(ServerError("503", retry_after=2.0), "ok")
        run(Retried(handler, random=lambda number=number: number)(request()))  # type: ignore[misc]
        gaps += handler.gaps
    assert gaps == pytest.approx([2.0, 2.1, 2.2], abs=1e-3)


class Failing:
    """A handler that takes a tenth of a second, and fails the requests whose numbers `fails` names."""

    def __init__(self, fails: Callable[[int], bool]) -> None:
        self.fails = fails
        self.requests = 0

    async def __call__(self, request: ChatRequest) -> ChatReply:
        self.requests += 1
        fails = self.fails(self.requests)
        await asyncio.sleep(0.1)
        if fails:
            raise ServerError("503", status=503)
        return ChatReply("ok", request.model)


async def answered(layer: Retried, calls: int, seconds: float = 0.0) -> int:
    """How many of `calls` calls are answered, which begin one by one within `seconds`."""

    async def call(number: int) -> bool:
        await asyncio.sleep(number * seconds / calls)
        try:
            await layer(request())
        except ServerError:
            return False
        return True

    return sum(await asyncio.gather(*(call(number) for number in range(calls))))


def test_an_api_that_is_down_gets_few_retries() -> None:
    """A fifth of 200 calls, and the floor of ten seconds: 50 retries. Each call alone would make two."""
    handler = Failing(lambda _: True)
    assert run(answered(Retried(handler), 200)) == 0
    assert handler.requests == 250


def test_after_an_outage_and_85_answers_a_single_failure_is_retried() -> None:
    down = True

    async def main() -> int:
        nonlocal down
        handler = Failing(lambda number: down)
        layer = Retried(handler)
        await answered(layer, 200, 20)
        down = False
        await answered(layer, 85, 1)
        handler.fails = lambda number, failing=handler.requests + 1: number == failing  # type: ignore[misc]
        return (await layer(request())).attempts

    assert run(main()) == 2


def test_at_a_steady_15_percent_of_failures_retries_work() -> None:
    dice = random.Random(1)
    layer = Retried(Failing(lambda _: dice.random() < 0.15))
    assert run(answered(layer, 2000, 100)) >= 0.99 * 2000


def test_a_429_is_retried_without_the_budget() -> None:
    down = True

    async def handler(request: ChatRequest) -> ChatReply:
        if down:
            raise ServerError("503")
        if request.attempt == 1:
            raise RateLimited("429")
        return ChatReply("ok", request.model)

    async def main() -> None:
        nonlocal down
        layer = Retried(handler)
        await answered(layer, 50)
        down = False
        assert (await layer(request())).attempts == 2

    run(main())


def test_a_sick_model_does_not_spend_another_ones_budget() -> None:
    async def handler(request: ChatRequest) -> ChatReply:
        if request.model == "sick" or request.attempt == 1:
            raise ServerError("503")
        return ChatReply("ok", request.model)

    async def main() -> None:
        layer = Retried(handler)
        for _ in range(20):
            with pytest.raises(ServerError):
                await layer(ChatRequest(({"role": "user", "content": "x"},), "sick"))
        assert (await layer(request())).attempts == 2

    run(main())


@pytest.mark.parametrize(
    ("policy", "kind"),
    [
        ({"attempts": 0}, ValueError),
        ({"attempts": "3"}, TypeError),
        ({"base": 0}, ValueError),
        ({"cap": float("nan")}, ValueError),
    ],
)
def test_a_wrong_policy_is_refused_by_name(policy: dict[str, Any], kind: type[Exception]) -> None:
    with pytest.raises(kind, match=next(iter(policy))):
        RetryPolicy(**policy)
