"""The bucket, alone, on a clock that jumps: above all when its rate changes under someone who waits."""

from __future__ import annotations

import asyncio

import pytest

from safechat.limits.bucket import Bucket
from safechat.limits.gate import Gate
from virtual_time import now, run


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
