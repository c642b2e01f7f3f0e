"""Retried, alone: when it tries again, how long it waits, and when it stops."""

from __future__ import annotations

import asyncio
import logging
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
from safechat.log.record import call_record
from safechat.retry import Retried, backoff
from safechat.retry_budget import RetryBudget
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


def asked(handler: ScriptedHandler, policy: RetryPolicy | None = None, **fields: Any) -> ChatReply:
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


@pytest.mark.parametrize("error", HELPED, ids=lambda each: each.kind)
def test_an_error_that_can_be_helped_is_tried_again(error: ChatError) -> None:
    handler = Timed(error, "Merhaba!")
    reply = asked(handler)
    assert (reply.text, reply.attempts) == ("Merhaba!", 2)
    assert [each.attempt for each in handler.requests] == [1, 2]


@pytest.mark.parametrize("error", HOPELESS, ids=lambda each: each.kind)
def test_an_error_that_cannot_be_helped_is_not(error: ChatError) -> None:
    handler = Timed(error, "Merhaba!")
    with pytest.raises(type(error)) as caught:
        asked(handler)
    assert len(handler.requests) == caught.value.attempts == 1


@pytest.mark.parametrize(("word", "requests"), [(True, 2), (False, 1)])
def test_x_should_retry_wins_over_the_class(word: bool, requests: int) -> None:
    handler = Timed(
        ServerError("500", retryable=word) if not word else RequestRejected("400", retryable=word), "ok"
    )
    try:
        asked(handler)
    except ServerError:
        assert not word
    assert len(handler.requests) == requests


def test_attempts_are_bounded_and_counted_on_the_error() -> None:
    handler = Timed(ServerError("1"), ServerError("2"), ServerError("3"), "never")
    with pytest.raises(ServerError, match="3") as caught:
        asked(handler)
    assert caught.value.attempts == len(handler.requests) == 3


def test_each_wait_is_longer_than_the_one_before_and_within_its_bounds() -> None:
    for _ in range(50):
        handler = Timed(*[ServerError("500")] * 5, "ok")
        asked(handler, RetryPolicy(attempts=6, base=0.5, cap=3))
        bounds = [(0, 0.5), (0.6, 1), (1.2, 2), (1.8, 3), (1.8, 3)]
        for gap, (shortest, longest) in zip(handler.gaps, bounds, strict=True):
            assert shortest - 1e-3 <= gap <= longest + 1e-3


def test_waits_are_spread() -> None:
    waits = [backoff(RetryPolicy(), 2, random) for random in (lambda: 0.0, lambda: 0.5, lambda: 1.0)]
    assert waits == pytest.approx([0.6, 0.8, 1.0])


def test_a_retry_after_is_waited_out_with_a_little_jitter() -> None:
    for _ in range(20):
        handler = Timed(RateLimited("429", retry_after=5.0), "ok")
        asked(handler)
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


def test_every_failure_is_kept_for_the_story() -> None:
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
        asked(handler)
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


def test_a_retry_is_told(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "safechat"):
        asked(Timed(ServerError("500", status=500), "ok"))
    (record,) = (each for each in caplog.records if each.getMessage() == "chat.retry")
    assert (record.model, record.attempt, record.kind) == ("m", 1, "server_error")  # type: ignore[attr-defined]


def test_while_everything_fails_few_calls_are_retried() -> None:
    """200 calls, 50 at once: at most 1.5 requests a call, and far fewer than the 3 of each alone."""
    requests = 0

    async def down(_: ChatRequest) -> ChatReply:
        nonlocal requests
        requests += 1
        await asyncio.sleep(0.1)
        raise ServerError("503", status=503)

    async def main() -> None:
        layer, numbers = Retried(down), iter(range(200))

        async def caller() -> None:
            for _ in numbers:
                with pytest.raises(ServerError):
                    await layer(request())

        await asyncio.gather(*(caller() for _ in range(50)))

    run(main())
    assert 200 < requests <= 300


def test_the_budget_recovers_with_answers_and_not_before() -> None:
    budget = RetryBudget(tokens=10, per_answer=0.5)
    for _ in range(7):
        budget.failed()
    assert not budget.allows()
    for _ in range(4):
        budget.answered()
    assert not budget.allows()
    budget.answered()
    assert budget.allows()


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
