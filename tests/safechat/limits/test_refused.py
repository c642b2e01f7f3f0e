"""What a 429 does to all callers of a model, on a clock that jumps."""

from __future__ import annotations

import asyncio
import math
from itertools import pairwise

import pytest

from limited_apis import Refusing, Server, gathered, limited, request
from safechat import ChatReply, ChatRequest, RateLimits, errors
from safechat.limits.layer import Limited
from safechat.limits.quota import Quotas
from safechat.retry import Retried
from virtual_time import now, run


def test_a_429_stops_every_caller_of_the_model_until_its_retry_after() -> None:
    server = Refusing({0: 5.0})

    async def main() -> float:
        layer = limited(server, requests_per_minute=6000)
        started = now()
        await gathered(layer, *(request() for _ in range(50)))
        return started

    started = run(main())
    after = [arrival - started for arrival in server.arrivals[1:]]
    assert min(after[8:]) >= 5.0 - 1e-3, "beyond those that were on their way already"


def test_callers_of_another_model_go_on() -> None:
    server = Refusing({0: 5.0})

    async def main() -> None:
        layer = limited(server, requests_per_minute=6000)
        await gathered(layer, request())
        started = now()
        await layer(request(model="another"))
        assert now() == pytest.approx(started, abs=1e-3)

    run(main())


@pytest.mark.parametrize("limits", [{"requests_per_minute": 600}, {}])
def test_after_the_pause_calls_start_spread_out(limits: dict[str, float]) -> None:
    server = Refusing({0: 5.0}, seconds=0.1)

    async def main() -> float:
        layer = limited(server, **limits)
        await gathered(layer, request())
        started = now()
        await gathered(layer, *(request() for _ in range(30)))
        return started

    started = run(main())
    assert server.arrivals[1] - started == pytest.approx(5.0)
    at_once = sum(abs(arrival - server.arrivals[1]) < 1e-3 for arrival in server.arrivals)
    assert at_once <= 2


def test_the_refused_call_goes_first_when_the_line_opens() -> None:
    server = Refusing({0: 5.0})

    async def main() -> None:
        layer = limited(server, requests_per_minute=60)
        await gathered(layer, request("refused"))
        others = [asyncio.create_task(layer(request(f"other {number}"))) for number in range(5)]
        await asyncio.sleep(1)
        again = asyncio.create_task(layer(request("refused", attempt=2)))
        await asyncio.gather(again, *others)

    run(main())
    assert server.texts[:3] == ["refused", "refused", "other 0"]


@pytest.mark.parametrize("seconds", [math.inf, 1000.0])
@pytest.mark.parametrize("asked", [1.0, 5.0])
def test_calls_that_were_sent_back_go_first_and_in_their_own_order(asked: float, seconds: float) -> None:
    """Their retries come with jitter, as others do; one that began later may have less time left."""
    server = Refusing(dict.fromkeys(range(4), asked), seconds=0.5)
    jitter = iter([0.9, 0.1, 0.5, 0.3])

    async def main() -> None:
        layer = Retried(limited(server, requests_per_minute=600), random=lambda: next(jitter))
        calls = []
        for number, name in enumerate([*"abcd", "other 0", "other 1", "other 2"]):
            await asyncio.sleep(0.01)
            deadline = now() + seconds - 10 * number
            calls.append(asyncio.create_task(layer(request(name, deadline=deadline))))
        await asyncio.gather(*calls)

    run(main())
    again = server.texts.index("a", 4)
    assert server.texts[again : again + 4] == ["a", "b", "c", "d"]
    assert again <= 6, "two others were on their way before the first refusal"


def test_the_call_that_has_the_turn_fails_at_once_too_when_a_pause_outlasts_its_deadline() -> None:
    server = Refusing({0: 100.0}, seconds=0.5)

    async def main() -> None:
        layer = limited(server, requests_per_minute=6)
        refused = asyncio.create_task(layer(request()))
        await asyncio.sleep(0.1)
        (outcome,) = await gathered(layer, request(deadline=now() + 30))
        assert isinstance(outcome, errors.RateLimited)
        assert not outcome.sent
        assert now() == pytest.approx(server.arrivals[0] + 0.5, abs=0.01)
        await asyncio.gather(refused, return_exceptions=True)

    run(main())


def test_a_call_that_has_the_turn_gives_way_to_those_sent_back() -> None:
    """It waits for its request's turn in the bucket when the 429 comes."""
    server = Refusing({0: 5.0}, seconds=0.1)

    async def main() -> None:
        layer = limited(server, requests_per_minute=60, concurrency=1)
        refused = asyncio.create_task(layer(request("refused")))
        await asyncio.sleep(0.01)
        others = [asyncio.create_task(layer(request(f"other {number}"))) for number in range(3)]
        await asyncio.gather(refused, return_exceptions=True)
        await layer(request("refused", attempt=2))
        await asyncio.gather(*others)

    run(main())
    assert server.texts == ["refused", "refused", "other 0", "other 1", "other 2"]


def test_a_call_that_gives_way_gives_back_what_it_had_taken() -> None:
    server = Refusing({0: 1.0}, seconds=0.1)

    async def main() -> None:
        layer = limited(server, requests_per_minute=60)
        refused = asyncio.create_task(layer(request("refused")))
        await asyncio.sleep(0.01)
        other = asyncio.create_task(layer(request("other")))
        await asyncio.gather(refused, return_exceptions=True)
        await layer(request("refused", attempt=2))
        await other

    run(main())
    assert [arrival - server.arrivals[0] for arrival in server.arrivals] == pytest.approx(
        [0, 1.1, 2], abs=0.1
    )


@pytest.mark.parametrize("asked", [3600.0, 86400.0, 1_800_000_000.0])
def test_a_pause_is_capped_and_then_one_call_goes_alone(asked: float) -> None:
    server = Refusing({0: asked}, seconds=2)

    async def main() -> float:
        layer = limited(server, requests_per_minute=6000)
        started = now()
        await gathered(layer, request())
        await gathered(layer, *(request() for _ in range(20)))
        return started

    started = run(main())
    probe, *others = server.arrivals[1:]
    assert probe - started == pytest.approx(2 + 120, abs=0.1)
    assert min(others) >= probe + 2
    assert max(others) < probe + 3, "its answer lets them all go"


def test_the_probe_does_not_wait_for_calls_from_before_the_pause() -> None:
    """They may have no answer for long; seven of eight were not refused."""
    server = Refusing({}, seconds=500)

    async def main() -> None:
        layer = limited(server)
        before = [asyncio.create_task(layer(request())) for _ in range(7)]
        await asyncio.sleep(1)
        server.refused, server.seconds = {7: 86400.0}, 0
        await gathered(layer, request())
        started = now()
        await layer(request())
        assert now() - started == pytest.approx(120, abs=0.1)
        await asyncio.gather(*before)

    run(main())


def test_a_call_without_a_deadline_is_sent_again_when_the_pause_is_over() -> None:
    """Not after the day that the API has asked for."""
    server = Refusing({0: 86400.0})

    async def main() -> float:
        started = now()
        await Retried(limited(server))(request())
        return now() - started

    assert run(main()) == pytest.approx(120, abs=0.01)


def test_a_pause_has_jitter() -> None:
    """Programs that share a quota are often given the same moment."""
    server = Refusing({0: 5.0})

    async def main() -> float:
        layer = Limited(server, Quotas(RateLimits(), random=lambda: 0.5))
        await gathered(layer, request())
        started = now()
        await layer(request())
        return now() - started

    assert run(main()) == pytest.approx(5.125, abs=1e-3)


def test_the_longest_pause_is_the_callers_to_choose() -> None:
    server = Refusing({0: 86400.0})

    async def main() -> float:
        layer = limited(server, longest_pause=7.5)
        await gathered(layer, request())
        started = now()
        await layer(request())
        return now() - started

    assert run(main()) == pytest.approx(7.5, abs=0.01)


def test_a_probe_that_is_refused_is_followed_by_another_pause_and_another_probe() -> None:
    server = Refusing({0: 86400.0, 1: 86400.0, 2: 86400.0})

    async def main() -> None:
        layer = limited(server, requests_per_minute=6000, longest_pause=10)
        await gathered(layer, request())
        await gathered(layer, *(request() for _ in range(20)))

    run(main())
    waits = [arrival - server.arrivals[0] for arrival in server.arrivals]
    assert waits[1:4] == pytest.approx([10, 20, 30], abs=0.1)
    assert max(waits) < 31


@pytest.mark.parametrize("limits", [{"requests_per_minute": 6000}, {}])
def test_a_probe_that_ends_without_an_answer_leaves_it_to_the_next_call(limits: dict[str, float]) -> None:
    server = Refusing({0: 86400.0}, seconds=50)

    async def main() -> None:
        layer = limited(server, longest_pause=10, **limits)
        await gathered(layer, request())
        calls = [asyncio.create_task(layer(request())) for _ in range(4)]
        await asyncio.sleep(20)
        calls[0].cancel()
        await gathered(layer, request())
        await asyncio.gather(*calls[1:])

    run(main())
    arrivals = [arrival - server.arrivals[0] for arrival in server.arrivals]
    assert arrivals[1:3] == pytest.approx([60, 70], abs=0.1)
    assert min(arrivals[3:]) == pytest.approx(120, abs=0.1)


def test_a_reset_that_is_a_unix_time_does_not_lock_the_model() -> None:
    """Also where this clock and the server's do not agree."""
    far = {
        "x-ratelimit-limit-requests": "600",
        "x-ratelimit-remaining-requests": "0",
        "x-ratelimit-reset-requests": "4102444800",
    }
    server = Server(headers=far)

    async def main() -> float:
        layer = limited(server)
        await layer(request())
        started = now()
        await layer(request())
        return now() - started

    assert run(main()) <= 120.1


@pytest.mark.parametrize("status", [413, 429])
def test_a_request_that_is_too_large_for_the_api_stops_nobody(status: int) -> None:
    attempts = 0

    async def server(_: ChatRequest) -> ChatReply:
        nonlocal attempts
        attempts += 1
        if attempts == 1:
            raise errors.RequestTooLarge("Limit 30000, Requested 61234", status=status, retry_after=20.0)
        return ChatReply("tamam", "m")

    async def main() -> None:
        layer = Retried(limited(server, tokens_per_minute=60_000))
        with pytest.raises(errors.RequestTooLarge):
            await layer(request())
        assert attempts == 1
        started = now()
        await layer(request())
        assert now() - started < 0.1

    run(main())


def test_a_pause_past_the_deadline_fails_those_who_wait_and_those_who_come() -> None:
    server = Refusing({1: 100.0})

    async def main() -> None:
        layer = limited(server, requests_per_minute=60)
        await layer(request())
        calls = [asyncio.create_task(layer(request(deadline=now() + 30))) for _ in range(4)]
        started = now()
        outcomes = await asyncio.gather(*calls, return_exceptions=True)
        assert all(isinstance(outcome, errors.RateLimited) for outcome in outcomes)
        assert now() - started < 2, "at once, when the 429 came"
        with pytest.raises(errors.RateLimited, match="past this call's deadline") as caught:
            await layer(request(deadline=now() + 30))
        assert caught.value.retry_after == pytest.approx(100, abs=2)

    run(main())


@pytest.mark.parametrize("asked", [None, 0.0])
def test_a_429_that_names_no_wait_pauses_longer_each_time(asked: float | None) -> None:
    server = Refusing(dict.fromkeys(range(3), asked))

    async def main() -> None:
        layer = limited(server, requests_per_minute=6000)
        for _ in range(4):
            await gathered(layer, request())

    run(main())
    gaps = [after - before for before, after in pairwise(server.arrivals)]
    assert gaps == pytest.approx([1, 2, 4], abs=1e-3)


def test_an_answer_ends_the_growth_of_the_pauses() -> None:
    server = Refusing(dict.fromkeys((0, 2, 4)))

    async def main() -> None:
        layer = limited(server, requests_per_minute=6000)
        for _ in range(6):
            await gathered(layer, request())

    run(main())
    gaps = [after - before for before, after in pairwise(server.arrivals)]
    assert [gaps[0], gaps[2], gaps[4]] == pytest.approx([1, 1, 1], abs=0.02)


def test_429s_that_come_together_are_one_pause_and_never_overflow() -> None:
    server = Refusing(dict.fromkeys(range(2000)), seconds=0.1)

    async def main() -> None:
        layer = limited(server)
        started = now()
        await gathered(layer, *(request() for _ in range(8)))
        await gathered(layer, request())
        assert now() - started < 3
        for _ in range(1500):
            (outcome,) = await gathered(layer, request())
            assert isinstance(outcome, errors.RateLimited)

    run(main())


def test_a_retry_does_not_wait_behind_those_it_goes_before() -> None:
    server = Server()

    async def main() -> None:
        layer = limited(server, requests_per_minute=60)
        waiting = [asyncio.create_task(layer(request())) for _ in range(40)]
        await asyncio.sleep(0.5)
        await layer(request(attempt=2, deadline=now() + 10))
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)

    run(main())
