"""What a call that ended badly is taken to have cost, on a clock that jumps."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from limited_apis import Server, Streaming, limited, of_tokens, read
from safechat import ChatReply, ChatRequest, Usage, errors
from safechat.limits.tokens import used_tokens
from virtual_time import now, run

A_MINUTE = 6000  # tokens


async def wait_after(layer: Any, failing: ChatRequest) -> float:
    """Seconds that a call of half a minute's tokens waits when the one before it has just failed."""
    with pytest.raises(errors.ChatError):
        await layer(failing)
    started = now()
    await layer(of_tokens(A_MINUTE // 2))
    return now() - started


class Failing(Server):
    """Raises the error once, then answers."""

    def __init__(self, error: errors.ChatError) -> None:
        super().__init__()
        self.error: errors.ChatError | None = error

    async def work(self, request: ChatRequest) -> None:
        error, self.error = self.error, None
        if error is not None:
            raise error


def wait_after_error(error: errors.ChatError) -> float:
    async def main() -> float:
        return await wait_after(limited(Failing(error), tokens_per_minute=A_MINUTE), of_tokens(A_MINUTE // 2))

    return run(main())


@pytest.mark.parametrize(
    "error",
    [
        errors.ServerError("500", status=500),
        errors.RequestTimedOut("10 s"),
        errors.ConnectionFailed("cut"),
        errors.MalformedReply("half a JSON", status=200),
        errors.RefusedReply("no", status=200),
    ],
)
def test_what_was_sent_and_may_be_billed_keeps_its_tokens(error: errors.ChatError) -> None:
    assert wait_after_error(error) == pytest.approx(30, rel=0.02)


@pytest.mark.parametrize(
    "error",
    [
        errors.RequestRejected("400", status=400),
        errors.AuthenticationFailed("401", status=401),
        errors.RequestTooLarge("413", status=413),
        errors.KeyUnavailable("no key"),
        errors.ConnectionFailed("refused", sent=False),
    ],
)
def test_what_was_refused_or_never_sent_gives_its_tokens_back(error: errors.ChatError) -> None:
    assert wait_after_error(error) < 0.1


def test_a_429_gives_its_tokens_back() -> None:
    refused = errors.RateLimited("429", status=429, retry_after=1.0)
    assert wait_after_error(refused) == pytest.approx(1, abs=0.1)


def test_an_error_with_usage_costs_what_the_answer_counted() -> None:
    error = errors.EmptyReply("empty", status=200, usage=Usage(1000, 500, 1500))
    assert wait_after_error(error) == pytest.approx(15, rel=0.05)


@pytest.mark.parametrize(
    ("usage", "tokens"), [(None, 50), (Usage(), 50), (Usage(700, 300), 1000), (Usage(1, 1, 2), 2)]
)
def test_what_was_used_is_what_the_api_counted_or_else_what_was_reserved(
    usage: Usage | None, tokens: int
) -> None:
    assert used_tokens(usage, reserved=50) == tokens


def test_an_answer_without_a_count_keeps_its_tokens() -> None:
    server = Server(usage=Usage())

    async def main() -> float:
        layer = limited(server, tokens_per_minute=A_MINUTE)
        await layer(of_tokens(3000))
        started = now()
        await layer(of_tokens(3000))
        return now() - started

    assert run(main()) == pytest.approx(30, rel=0.02)


def test_answers_that_are_cut_run_at_the_limit() -> None:
    """Without their cost, 60,000 tokens a minute became a million."""
    used = 0

    async def cut(_: ChatRequest) -> ChatReply:
        nonlocal used
        used += 2000
        raise errors.EmptyReply("cut", status=200, usage=Usage(1000, 1000, 2000))

    async def main() -> None:
        layer = limited(cut, tokens_per_minute=60_000)
        started = now()
        while now() < started + 60:
            with pytest.raises(errors.EmptyReply):
                await layer(of_tokens(100))

    run(main())
    assert used == pytest.approx(60_000, rel=0.1)


@pytest.mark.parametrize(
    "error", [errors.RateLimited("429", status=429), errors.RequestRejected("400", status=400)]
)
def test_a_stream_that_an_error_breaks_off_keeps_its_tokens(error: errors.ChatError) -> None:
    """An event `error` in a stream has a status too; but what came before it is billed."""
    server = BrokenOff({}, error=error, first=0.1, seconds=1)

    async def main() -> float:
        layer = limited(server, tokens_per_minute=A_MINUTE)
        return await wait_after(layer, of_tokens(A_MINUTE // 2, on_piece=read))

    assert run(main()) == pytest.approx(30, abs=2.5)


class BrokenOff(Streaming):
    """The first stream ends with the error."""

    def __init__(self, *args: Any, error: errors.ChatError, **options: Any) -> None:
        super().__init__(*args, **options)
        self.error = error

    async def work(self, request: ChatRequest) -> None:
        await super().work(request)
        if request.on_piece is not None:
            raise self.error


async def wait_after_cancelling(server: Server, **fields: Any) -> float:
    """Seconds that a call of 1,000 tokens waits after one that was under way has been cancelled."""
    layer = limited(server, tokens_per_minute=A_MINUTE, concurrency=1)
    call = asyncio.create_task(layer(of_tokens(A_MINUTE // 2, **fields)))
    await asyncio.sleep(31)
    assert server.under_way == 1
    call.cancel()
    await asyncio.gather(call, return_exceptions=True)
    server.seconds = 0.2
    started = now()
    await layer(of_tokens(1000))
    return now() - started


def test_a_cancelled_call_gives_back_its_slot_and_keeps_its_tokens() -> None:
    assert run(wait_after_cancelling(Server(seconds=100))) == pytest.approx(10, abs=0.5)


def test_a_stream_left_early_gives_back_its_slot_and_keeps_its_tokens() -> None:
    server = Streaming({}, first=0.1, seconds=100)
    assert run(wait_after_cancelling(server, on_piece=read)) == pytest.approx(10, abs=0.5)
