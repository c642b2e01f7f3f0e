"""Calls before an answer has named the limits, and streams, on a clock that jumps."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from limited_apis import Refusing, Server, Streaming, gathered, headers, limited, read, request
from safechat import ChatReply, errors
from safechat.limits.layer import Limited
from virtual_time import now, run


def stream(**fields: Any) -> Any:
    return request(on_piece=read, **fields)


async def seconds_for(layer: Limited, *requests: Any) -> float:
    """How long these take, all sent at once; each must be answered."""
    started = now()
    outcomes = await gathered(layer, *requests)
    assert [outcome for outcome in outcomes if not isinstance(outcome, ChatReply)] == []
    return now() - started


@pytest.mark.parametrize("limits", [{"requests_per_minute": 6000}, {"tokens_per_minute": 1e6}])
def test_limits_set_by_hand_need_no_first_answer(limits: dict[str, float]) -> None:
    async def main() -> float:
        return await seconds_for(limited(Server(seconds=3), **limits), *(request() for _ in range(32)))

    assert run(main()) <= 3.35


def test_without_limits_few_go_before_the_first_answer() -> None:
    server = Server(seconds=3)

    async def main() -> None:
        calls = asyncio.gather(*(layer(request()) for layer in [limited(server)] * 32))
        await asyncio.sleep(2)
        assert server.under_way == 8
        await calls

    run(main())


def test_a_stream_has_landed_when_it_begins() -> None:
    server = Streaming({}, first=0.5, seconds=3)

    async def main() -> float:
        started = now()
        await seconds_for(limited(server), *(stream() for _ in range(12)))
        return server.arrivals[8] - started

    assert run(main()) == pytest.approx(0.5, abs=0.01)


def test_the_headers_of_a_stream_are_read_when_it_begins() -> None:
    server = Streaming({}, first=0.5, seconds=30, headers=headers(60))

    async def main() -> None:
        layer = limited(server)
        first = asyncio.create_task(layer(stream()))
        await asyncio.sleep(1)
        await gathered(layer, *(stream() for _ in range(4)))
        await first

    run(main())
    assert server.arrivals[-1] - server.arrivals[1] == pytest.approx(3, abs=0.2)


def test_the_headers_of_a_stream_are_read_once() -> None:
    """At its end they are old: the limit that another answer has named meanwhile stays."""
    server = Streaming({}, first=0.1, seconds=10, headers=headers(60))

    async def main() -> None:
        layer = limited(server)
        old = asyncio.create_task(layer(stream()))
        await asyncio.sleep(1)
        server.reply, server.seconds = {"headers": headers(6000)}, 1
        await layer(stream())
        await old
        server.first, server.seconds = 5, 6
        await seconds_for(layer, *(stream() for _ in range(20)))

    run(main())
    assert server.arrivals[-1] - server.arrivals[2] < 1


def test_streams_go_side_by_side_after_a_429_without_limit_headers() -> None:
    server = Streaming({0: 1.0}, first=0.5, seconds=3, headers={"x-ratelimit-remaining-requests": "7"})

    async def main() -> float:
        layer = limited(server)
        await gathered(layer, stream())
        return await seconds_for(layer, *(stream() for _ in range(20)))

    assert run(main()) < 10


def test_calls_go_side_by_side_again_after_one_429_among_many() -> None:
    """The window is halved, not closed: 20 calls of 3 s after one refusal."""
    server = Refusing({5: 1.0}, seconds=3)

    async def main() -> float:
        layer = limited(server)
        await gathered(layer, *(request() for _ in range(8)))
        return await seconds_for(layer, *(request() for _ in range(20)))

    assert run(main()) == pytest.approx(1 + 4 * 3, abs=0.1)


def test_the_window_is_halved_by_a_429_and_grows_by_one_a_round() -> None:
    server = Refusing(dict.fromkeys(range(8), 1.0), seconds=1)
    rounds: list[int] = []

    async def main() -> None:
        layer = limited(server, concurrency=100)
        await gathered(layer, *(request() for _ in range(8)))
        calls = asyncio.gather(*(layer(request()) for _ in range(30)))
        await asyncio.sleep(1.5)
        for _ in range(4):
            rounds.append(server.under_way)
            await asyncio.sleep(1)
        await calls

    run(main())
    assert rounds == [4, 5, 6, 7], "eight refusals at once halve it once"


def test_after_the_refusal_of_a_single_call_the_window_grows_fast_to_half_of_what_it_was() -> None:
    server = Refusing({0: 1.0}, seconds=1)
    rounds: list[int] = []

    async def main() -> None:
        layer = limited(server)
        await gathered(layer, request())
        calls = asyncio.gather(*(layer(request()) for _ in range(20)))
        await asyncio.sleep(1.5)
        for _ in range(5):
            rounds.append(server.under_way)
            await asyncio.sleep(1)
        await calls

    run(main())
    assert rounds == [1, 2, 4, 5, 6]


def test_an_api_that_refuses_now_and_then_starves_nobody() -> None:
    """At most five at once; a sixth is refused. 200 calls of a second need 40 s at least."""

    class FiveAtOnce(Server):
        async def work(self, request: Any) -> None:
            if self.under_way > 5:
                raise errors.RateLimited("429", status=429, retry_after=0.5, model="m")
            await super().work(request)

    server = FiveAtOnce(seconds=1)

    async def caller(layer: Limited) -> float:
        started, attempt = now(), 1
        while True:
            try:
                await layer(request(attempt=attempt))
            except errors.RateLimited:
                attempt += 1
            else:
                return now() - started

    async def main() -> float:
        layer = limited(server)
        return max(await asyncio.gather(*(caller(layer) for _ in range(200))))

    assert run(main()) < 80


@pytest.mark.parametrize("refused", [{}, {0: 1.0}])
def test_a_call_inside_the_loop_over_streams_never_waits_for_them(refused: dict[int, float | None]) -> None:
    """Eight on a fresh wrapper; and after a 429, when one call at a time may be without an answer."""
    server = Streaming(refused, first=0.1, seconds=30)

    async def main() -> None:
        layer = limited(server)
        if refused:
            await gathered(layer, request())
        waits: list[float] = []

        async def consume(_: str) -> None:
            if len(waits) < 8:
                server.first = server.seconds = 0.1
                waits.append(await seconds_for(layer, request()))

        streams = [asyncio.create_task(layer(request(on_piece=consume))) for _ in range(8)]
        await asyncio.gather(*streams)
        assert max(waits) < 1

    run(main())
