"""Limited, alone, in front of fake handlers, on a clock that jumps."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import pytest

from limited_apis import Server, gathered, headers, limited, of_tokens, request
from safechat import ChatReply, ChatRequest, DeadlineExceeded, RateLimits, RequestTooLarge, Usage, errors
from safechat.fallback import Fallback, Target
from virtual_time import now, run


def test_no_second_holds_more_than_twice_its_share_and_the_quota_is_used() -> None:
    server = Server()

    async def main() -> None:
        layer = limited(server, requests_per_minute=1200, concurrency=50)
        started = now()

        async def caller() -> None:
            while now() < started + 100:
                await layer(request())

        await asyncio.gather(*(caller() for _ in range(50)))

    run(main())
    assert server.most_in(1.0) <= 2 * 20
    within = sum(arrival < server.arrivals[0] + 100 for arrival in server.arrivals)
    assert 2000 * 0.99 <= within <= 2000 + 40


@pytest.mark.parametrize("per_minute", [6, 60, 600, 6000])
def test_every_rate_loses_less_than_a_hundredth(per_minute: int) -> None:
    server = Server()

    async def main() -> None:
        layer = limited(server, requests_per_minute=per_minute)
        await asyncio.gather(*(layer(request()) for _ in range(200)))

    run(main())
    took = server.arrivals[-1] - server.arrivals[0]
    assert took == pytest.approx(200 / per_minute * 60, rel=0.04)
    assert took <= 200 / per_minute * 60


def test_tokens_are_paced_too() -> None:
    server = Server()

    async def main() -> None:
        layer = limited(server, tokens_per_minute=6000)
        await asyncio.gather(*(layer(of_tokens(50)) for _ in range(40)))

    run(main())
    assert server.arrivals[-1] - server.arrivals[0] == pytest.approx(20, rel=0.06)


def test_a_large_request_among_small_ones_waits_its_fair_turn_only() -> None:
    server = Server()

    async def main() -> None:
        layer = limited(server, tokens_per_minute=60_000, concurrency=1000)
        small = [asyncio.create_task(layer(of_tokens(100))) for _ in range(20)]
        await asyncio.sleep(0)
        large = asyncio.create_task(layer(of_tokens(5000)))
        await asyncio.sleep(0)
        later = [asyncio.create_task(layer(of_tokens(100))) for _ in range(200)]
        await asyncio.gather(*small, large, *later)

    run(main())
    sizes = [len(text) // 2 + 7 for text in server.texts]
    assert sizes.index(5000) == 20, "first come, first served"
    turn = server.arrivals[20] - server.arrivals[0]
    assert turn == pytest.approx((20 * 100 + 5000) / 1000, rel=0.05)


def test_calls_go_in_the_order_in_which_they_came() -> None:
    server = Server()

    async def main() -> None:
        layer = limited(server, requests_per_minute=600, tokens_per_minute=60_000, concurrency=3)
        await asyncio.gather(
            *(layer(request(f"{number:03} " + "x" * (number % 7) * 300)) for number in range(60))
        )

    run(main())
    assert [int(text[:3]) for text in server.texts] == list(range(60))


def test_concurrency_is_never_exceeded_and_always_used() -> None:
    server = Server(seconds=1)

    async def main() -> float:
        layer = limited(server, requests_per_minute=100_000, concurrency=7)
        started = now()
        await asyncio.gather(*(layer(request(model=f"m{number % 3}")) for number in range(70)))
        return now() - started

    took = run(main())
    assert server.most == 7
    assert took == pytest.approx(10, rel=0.02)


def test_a_reservation_is_settled_with_the_usage_of_the_reply() -> None:
    """Each call says it used ten times what was reserved: the pace must follow the use."""
    server = Server(usage=Usage(0, 500, 500))

    async def main() -> None:
        layer = limited(server, tokens_per_minute=6000)
        for _ in range(13):
            await layer(of_tokens(50))

    run(main())
    assert server.arrivals[-1] - server.arrivals[0] >= 11 * 500 / 100


def test_what_was_reserved_and_not_used_is_given_back() -> None:
    server = Server(usage=Usage(0, 10, 10))

    async def main() -> None:
        layer = limited(server, tokens_per_minute=6000)
        for _ in range(100):
            await layer(of_tokens(100))

    run(main())
    assert server.arrivals[-1] - server.arrivals[0] <= 100 * 10 / 100 + 2


def test_what_could_never_go_is_refused_at_once_and_another_model_may_take_it() -> None:
    server = Server()

    async def main() -> None:
        layer = limited(server, tokens_per_minute=1000)
        with pytest.raises(RequestTooLarge, match="at least 1007 tokens and the limit is 1000") as caught:
            await layer(request("x" * 10_000))
        assert caught.value.falls_back
        assert not caught.value.sent
        assert caught.value.attempts == 0
        with pytest.raises(RequestTooLarge):
            await layer(request(params={"max_completion_tokens": 5000}))

    run(main())
    assert server.arrivals == []


def test_what_may_be_too_large_waits_its_turn() -> None:
    """By the first guess it is over the limit; in English it is not. It takes a whole minute's tokens."""
    server = Server(usage=Usage(600, 100, 700))

    async def main() -> None:
        layer = limited(server, tokens_per_minute=1000)
        started = now()
        await layer(request("x" * 2400))
        assert now() - started == pytest.approx(60, rel=0.01)

    run(main())


def test_a_wait_past_the_deadline_fails_at_once() -> None:
    server = Server()

    async def main() -> None:
        layer = limited(server, requests_per_minute=60)
        await layer(request())
        waiting = [asyncio.create_task(layer(request())) for _ in range(5)]
        await asyncio.sleep(0)
        asked = now()
        with pytest.raises(DeadlineExceeded, match="would have the call wait") as caught:
            await layer(request(deadline=now() + 4))
        assert now() == pytest.approx(asked, abs=1e-3)
        assert caught.value.retry_after == pytest.approx(6, abs=0.1)
        assert (caught.value.sent, caught.value.attempts) == (False, 0)
        await layer(request(deadline=now() + 7))
        await asyncio.gather(*waiting)

    run(main())
    assert len(server.arrivals) == 7


def test_a_wait_past_the_deadline_is_spent_at_another_model() -> None:
    server = Server()

    async def main() -> None:
        layer = limited(server, requests_per_minute=6)
        chat = Fallback(layer, [Target(layer, "another")])
        started = now()
        await chat(request(deadline=now() + 5))
        reply = await chat(request(deadline=now() + 5))
        assert (reply.model, reply.attempts) == ("another", 1)
        assert now() - started < 0.01

    run(main())


def test_a_call_cancelled_in_line_gives_back_its_place_and_its_room() -> None:
    server = Server()

    async def main() -> None:
        layer = limited(server, requests_per_minute=60, tokens_per_minute=6000)
        await layer(request())
        waiting = [asyncio.create_task(layer(of_tokens(1000))) for _ in range(10)]
        await asyncio.sleep(2.5)
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        started = now()
        await layer(of_tokens(100))
        assert now() - started < 1.1

    run(main())


def test_tokens_that_were_never_reserved_are_not_given_back() -> None:
    server = Server(seconds=1, headers={"x-ratelimit-limit-tokens": "6000"}, usage=Usage(10, 0, 10))

    async def main() -> None:
        layer = limited(server)
        await gathered(layer, *(request(params={"max_completion_tokens": 5000}) for _ in range(8)))
        started = now()
        await gathered(layer, *(request(params={"max_completion_tokens": 3000}) for _ in range(3)))
        assert now() - started > 30

    run(main())


def test_limits_follow_the_headers_when_none_is_set() -> None:
    server = Server(seconds=0.01, headers=headers(600))

    async def main() -> None:
        layer = limited(server)
        await gathered(layer, *(request() for _ in range(100)))

    run(main())
    assert server.most_in(0.001) <= 8, "few go before the first answer has named the limit"
    assert server.arrivals[-1] - server.arrivals[0] == pytest.approx(10, rel=0.1)


def test_when_nothing_remains_nobody_goes_until_one_unit_is_back() -> None:
    server = Server(headers=headers(60, remaining=0, reset="10m0s"))

    async def main() -> float:
        layer = limited(server)
        await layer(request())
        started = now()
        await layer(request())
        return now() - started

    assert run(main()) == pytest.approx(10, abs=0.1)


def test_limits_follow_the_headers_when_they_change() -> None:
    server = Server(headers=headers(6000))

    async def main() -> None:
        layer = limited(server)
        await layer(request())
        server.reply["headers"] = headers(60)
        await layer(request())
        await gathered(layer, *(request() for _ in range(10)))

    run(main())
    assert server.arrivals[-1] - server.arrivals[0] == pytest.approx(10, rel=0.15)


def test_who_waits_already_goes_on_at_the_new_rate() -> None:
    async def server(request: ChatRequest) -> ChatReply:
        slow = request.messages[0]["content"] == "slow"
        await asyncio.sleep(2 if slow else 0)
        return ChatReply("tamam", "m", headers=headers(600 if slow else 6))

    async def main() -> None:
        layer = limited(server)
        started = now()
        slow = asyncio.create_task(layer(request("slow")))
        await layer(request())
        await layer(request())
        assert now() - started == pytest.approx(2, abs=0.3)
        await slow

    run(main())


def test_a_limit_that_is_no_minutes_is_known_by_its_reset() -> None:
    """A bucket of 10 that fills with 100 a second, and calls its size the limit."""
    level, updated = 10.0, 1000.0

    async def server(request: ChatRequest) -> ChatReply:
        nonlocal level, updated
        level, updated = min(10.0, level + (now() - updated) * 100), now()
        if level < 1:
            raise errors.RateLimited("429", status=429, retry_after=(1 - level) / 100, model=request.model)
        level -= 1
        arrivals.append(now())
        seen = headers(10, int(level), f"{(10 - level) * 10:.0f}ms")
        await asyncio.sleep(0.02)
        return ChatReply("tamam", "m", headers=seen)

    arrivals: list[float] = []

    async def main() -> None:
        layer = limited(server, concurrency=100)
        outcomes = await gathered(layer, *(request() for _ in range(1000)))
        assert sum(isinstance(outcome, ChatReply) for outcome in outcomes) >= 995

    run(main())
    assert arrivals[-1] - arrivals[0] == pytest.approx(10, rel=0.05)


def test_token_limits_follow_the_headers_too() -> None:
    server = Server(headers=headers(6000, kind="tokens"))

    async def main() -> None:
        layer = limited(server)
        await layer(of_tokens(50))
        await gathered(layer, *(of_tokens(50) for _ in range(40)))
        with pytest.raises(RequestTooLarge):
            await layer(request("x" * 60_000))

    run(main())
    assert server.arrivals[-1] - server.arrivals[0] == pytest.approx(20, rel=0.1)


def test_a_limit_set_by_hand_wins_over_the_headers() -> None:
    server = Server(headers=headers(6))

    async def main() -> None:
        layer = limited(server, requests_per_minute=6000)
        await gathered(layer, *(request() for _ in range(100)))

    run(main())
    assert server.arrivals[-1] - server.arrivals[0] < 1.1


def test_an_api_that_tells_no_limit_gets_all_that_concurrency_allows() -> None:
    server = Server(seconds=1)

    async def main() -> float:
        layer = limited(server, concurrency=64)
        await gathered(layer, *(request() for _ in range(200)))
        server.most = 0
        started = now()
        await gathered(layer, *(request() for _ in range(64)))
        return now() - started

    assert run(main()) == pytest.approx(1.0)
    assert server.most == 64


@pytest.mark.parametrize(
    ("limits", "kind"),
    [
        ({"requests_per_minute": 0}, ValueError),
        ({"tokens_per_minute": -1}, ValueError),
        ({"requests_per_minute": float("inf")}, ValueError),
        ({"requests_per_minute": "60"}, TypeError),
        ({"concurrency": 0}, ValueError),
        ({"concurrency": 2.5}, TypeError),
        ({"concurrency": True}, TypeError),
    ],
)
def test_wrong_limits_are_refused_by_name(limits: dict[str, Any], kind: type[Exception]) -> None:
    with pytest.raises(kind, match=next(iter(limits))):
        RateLimits(**limits)


def test_cancelling_at_any_moment_leaves_nothing_held() -> None:
    """Calls are cancelled at many different moments; afterwards all slots and the line are free."""
    server = Server(seconds=0.35)

    async def main() -> None:
        layer = limited(server, requests_per_minute=1200, tokens_per_minute=60_000, concurrency=3)
        calls = [asyncio.create_task(layer(of_tokens(20 + number * 3))) for number in range(120)]
        for number, call in enumerate(calls):
            await asyncio.sleep(0.013)
            if number % 3:
                call.cancel()
        outcomes = Counter(
            type(outcome).__name__ for outcome in await asyncio.gather(*calls, return_exceptions=True)
        )
        assert outcomes["ChatReply"] >= 40
        server.most = 0
        await gathered(layer, *(of_tokens(10) for _ in range(9)))
        assert server.most == 3

    run(main())
