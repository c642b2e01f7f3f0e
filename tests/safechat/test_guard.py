"""The guard of a target, between Deadline and the other layers: what opens a circuit and what does not."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import pytest

from fakes import AsyncFake
from handlers import Streaming, after, hangs, layer, request, stream, waits, waits_and_hangs
from safechat import (
    BreakerPolicy,
    ChatClientWrapper,
    ChatError,
    ChatReply,
    ChatRequest,
    CircuitOpen,
    ContentFiltered,
    DeadlineExceeded,
    EmptyReply,
    MalformedReply,
    RateLimited,
    RateLimits,
    RequestRejected,
    RequestTimedOut,
    RetryPolicy,
    ServerError,
)
from safechat.deadline import Deadline
from safechat.errors import NO_FIT
from safechat.fallback import Fallback, TimeLimits
from safechat.keys.layer import Keyed
from safechat.keys.source import Key
from safechat.layers import Layers, Policies
from safechat.limits.layer import Limited
from safechat.limits.quota import Quotas
from safechat.messages import Handler
from safechat.retry import Retried
from safechat.testing import ScriptedHandler
from virtual_time import now, run
from wire import completion

ONCE = RetryPolicy(attempts=1)


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


class NoKeys:
    async def get(self, not_version: int | None = None) -> Key:
        await asyncio.sleep(10_000)
        raise AssertionError


@pytest.mark.parametrize("handler", [waits, waits_and_hangs, Keyed(hangs, NoKeys())])
def test_time_spent_without_a_request_does_not_open_the_circuit(handler: Handler) -> None:
    async def main() -> None:
        call = Deadline(layer(handler, breaker=BreakerPolicy(failures=1)))
        for _ in range(3):
            with pytest.raises(DeadlineExceeded):
                await call(request(deadline=now() + 1))

    run(main())


def test_time_spent_waiting_for_room_under_the_limits_does_not_open_the_circuit() -> None:
    async def main() -> None:
        limited = Limited(after(50), Quotas(RateLimits(concurrency=1)))
        call = Deadline(layer(limited, breaker=BreakerPolicy(failures=1)))
        first = asyncio.ensure_future(call(request()))
        await asyncio.sleep(1)
        for _ in range(3):
            with pytest.raises(DeadlineExceeded):
                await call(request(deadline=now() + 1))
        assert (await first).text == "ok"

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


class LongStreams:
    """A client that fails while it is `down`; then it answers, and a stream takes 50 s."""

    def __init__(self) -> None:
        self.down = True
        self.chat = SimpleNamespace(completions=SimpleNamespace(create=self._create))

    async def _create(self, **arguments: object) -> object:
        if self.down:
            raise ServerError("503", status=503)
        return self._chunks() if arguments.get("stream") else completion()

    async def _chunks(self) -> AsyncIterator[object]:
        for _ in range(50):
            yield {"choices": [{"index": 0, "delta": {"content": "Merhaba! "}}]}
            await asyncio.sleep(1)
        yield {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}


def test_a_long_stream_as_the_probe_of_a_whole_client_lets_all_others_in() -> None:
    async def main() -> None:
        client = LongStreams()
        policies = Policies(retry=ONCE, breaker=BreakerPolicy(failures=1, cooldown=5))
        layers = Layers.build(client, (), policies)
        with pytest.raises(ServerError):
            await layers.answer(request(), 60)
        client.down = False
        await asyncio.sleep(5)
        probe = asyncio.ensure_future(layers.answer(stream(), 60))
        await asyncio.sleep(1)
        assert (await layers.answer(request(), 60)).text == "Merhaba!"
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


@pytest.mark.parametrize("at_once", [1, 50, 200])
@pytest.mark.parametrize("seconds", [0.0, 0.1, 10.0])
def test_200_calls_to_an_api_that_is_down_make_at_most_100_requests(seconds: float, at_once: int) -> None:
    client = AsyncFake(seconds, fails=lambda _: ServerError("503", status=503))
    kinds = run(outcomes(Layers.build(client, (), Policies()), 200, 60, at_once=at_once))
    assert sum(kinds.values()) == 200
    assert kinds["circuit_open"] > 100
    assert len(client.prompts) <= 100


def test_calls_that_wait_for_their_turn_when_the_circuit_opens_go_to_the_next_model_at_once() -> None:
    async def main() -> None:
        first = AsyncFake(9, fails=lambda _: ServerError("503", status=503))
        policies = Policies(retry=ONCE, limits=RateLimits(concurrency=5))
        layers = Layers.build(first, [(AsyncFake(), "second", None)], policies)
        began = now()
        assert await outcomes(layers, 100, 60, at_once=100) == {"ok": 100}
        assert len(first.prompts) <= 2 * 5  # a slot that gets free before the circuit opens is taken
        assert now() - began == pytest.approx(9, abs=0.1)

    run(main())


def test_a_call_whose_request_is_under_way_when_the_circuit_opens_gets_its_answer() -> None:
    async def main() -> None:
        async def handler(request: ChatRequest) -> ChatReply:
            if request.timeout == 1:
                raise ServerError("503")
            await asyncio.sleep(5)
            return ChatReply("ok", "first")

        fallback = layer(handler, breaker=BreakerPolicy(failures=1))
        slow = asyncio.create_task(fallback(request()))
        await asyncio.sleep(1)
        with pytest.raises(ServerError):
            await fallback(request(timeout=1.0))
        assert (await slow).text == "ok"

    run(main())


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
        layers = Layers.build(first, [(AsyncFake(0.1), "second", None)], policies)
        assert await outcomes(layers, 15, 1.5) == {"ok": 15}
        assert len(first.prompts) == 5

    run(main())


def test_a_short_timeout_of_one_call_of_the_wrapper_does_not_open_the_circuit() -> None:
    client = AsyncFake()
    client.gate = threading.Event()
    with ChatClientWrapper(client, retry=ONCE, breaker=BreakerPolicy(failures=1)) as chat:
        with pytest.raises(RequestTimedOut):
            chat.generate("Merhaba", timeout=0.01)
        client.gate.set()
        assert chat.generate("Merhaba").text == "Merhaba"
