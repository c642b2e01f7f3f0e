"""The bucket, alone, on a clock that jumps: above all when its rate changes under someone who waits."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from generated import fewer
from safechat.limits.bucket import Bucket
from safechat.limits.gate import Gate
from virtual_time import now, run


class Model:
    """The same limit as one number: the level, which leaks at the rate and may not rise above the size."""

    def __init__(self, per_minute: float, at: float) -> None:
        self.level, self.at = 0.0, at
        self.rate = per_minute / 60
        self.size = 1 + self.rate * 0.05

    def leak(self, until: float) -> None:
        if until > self.at:
            self.level = (
                max(0.0, self.level - self.rate * (until - self.at)) if self.level > 0 else self.level
            )
            self.at = until

    def take(self, amount: float, at: float) -> float:
        """When the amount is there."""
        self.leak(at)
        self.level += amount
        missing = self.level - self.size
        return max(at, self.at) + missing / self.rate if missing > 0 else at

    def settle(self, difference: float, at: float) -> None:
        self.leak(at)
        self.level += difference

    def hold_until(self, when: float, at: float) -> None:
        if self.at > at:
            self.at = max(when, self.at)
        else:
            self.leak(when)
            self.level = max(0.0, self.level) + self.size - 1


# Uneven times: where an amount just fits, the last bit of a float would decide.
steps = st.one_of(
    st.tuples(st.just("take"), st.sampled_from([1, 3, 40, 500])),
    st.tuples(st.just("settle"), st.sampled_from([-600, -7, 2, 90])),
    st.tuples(st.just("hold"), st.sampled_from([0.0213, 0.5171, 3.0319])),
    st.tuples(st.just("sleep"), st.sampled_from([0.0011, 0.0537, 1.0713, 20.0])),
)


@given(st.lists(steps, max_size=25))
@fewer
def test_it_is_a_leaky_bucket_to_which_amounts_can_be_given_back(script: list[tuple[str, float]]) -> None:
    async def main() -> None:
        bucket, model = Bucket(6000), Model(6000, now())
        for step, value in script:
            match step:
                case "take":
                    expected = model.take(value, now())
                    assert bucket.wait_for(value) == pytest.approx(expected - now(), abs=1e-6)
                    await bucket.take(value)
                    assert now() == pytest.approx(expected, abs=1e-6)
                case "settle":
                    model.settle(value, now())
                    bucket.settle(value)
                case "hold":
                    model.hold_until(now() + value, now())
                    bucket.hold_until(now() + value)
                case "sleep":
                    await asyncio.sleep(value)

    run(main())


def test_a_change_of_rate_charges_nobody_twice() -> None:
    async def main() -> None:
        bucket = Bucket(6000)
        started = now()
        waiting = asyncio.create_task(bucket.take(3000))
        await asyncio.sleep(10)
        bucket.change(6060)
        await waiting
        assert now() - started == pytest.approx(30, rel=0.01)
        await bucket.take(1)
        assert now() - started == pytest.approx(30, rel=0.01)

    run(main())


def test_a_rate_that_changes_all_the_time_loses_nothing() -> None:
    async def main() -> None:
        bucket = Bucket(3000)
        started = now()
        for number in range(500):
            taking = asyncio.create_task(bucket.take(1))
            await asyncio.sleep(0)
            bucket.change(3000 if number % 2 else 3300)
            bucket.change(3300 if number % 2 else 3000)
            await taking
        assert now() - started == pytest.approx(10, rel=0.08)

    run(main())


def test_a_rate_that_falls_as_a_wait_ends_is_no_error() -> None:
    async def main() -> None:
        bucket = Bucket(60_000)
        await bucket.take(51)
        taking = asyncio.create_task(bucket.take(51))
        await asyncio.sleep(0)  # it is about to take what is more than all that a slower bucket holds
        bucket.change(600)
        await taking

    run(main())


def test_a_cancelled_wait_owes_nothing_even_after_a_change() -> None:
    async def main() -> None:
        bucket = Bucket(6000)
        waiting = asyncio.create_task(bucket.take(3000))
        await asyncio.sleep(10)
        bucket.change(6060)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        assert bucket.wait_for(1) < 0.1

    run(main())


def test_refusals_that_come_together_hold_a_bucket_once() -> None:
    async def main() -> None:
        bucket = Bucket(6000)
        started = now()
        for wait in (0.5, 1.0, 1.0, 0.7):
            bucket.hold_until(started + wait)
        await asyncio.sleep(1)
        arrivals = []
        for _ in range(3):
            await bucket.take(1)
            arrivals.append(now() - started)
        assert arrivals == pytest.approx([1.0, 1.01, 1.02], abs=1e-3)

    run(main())


def test_one_who_was_refused_and_cancelled_at_once_lets_nobody_else_in() -> None:
    async def main() -> None:
        gate = Gate()
        await gate.enter()
        refused = asyncio.create_task(gate.enter(deadline=now() + 1))
        await asyncio.sleep(0)
        gate.close_until(now() + 5, lambda seconds: LookupError(seconds))
        refused.cancel()
        await asyncio.gather(refused, return_exceptions=True)
        other = asyncio.create_task(gate.enter())
        await asyncio.sleep(10)
        assert not other.done(), "the first one is still inside"
        gate.leave()
        await other

    run(main())
