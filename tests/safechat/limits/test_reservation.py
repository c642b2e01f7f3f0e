"""A reservation alone: what it holds, and what it gives back."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest

from safechat.limits.bucket import Bucket
from safechat.limits.quota import Reservation
from safechat.limits.slots import Slots
from safechat.limits.window import Window
from virtual_time import run

PER_SECOND = 100


class Held:
    """A reservation of 1,000 tokens, and what it is taken from: a bucket of 6,000 a minute and one slot."""

    def __init__(self) -> None:
        self.bucket, self.window, self.slots = Bucket(60 * PER_SECOND), Window(), Slots(1)

    async def reserve(self) -> Reservation:
        await self.bucket.take(1000)
        await self.slots.acquire()
        return Reservation(1000, self.bucket, self.window, self.slots)


@pytest.mark.parametrize("error", [None, KeyError("x"), asyncio.CancelledError()])
def test_the_slot_and_the_place_are_given_back_however_it_ends(error: BaseException | None) -> None:
    async def main() -> None:
        held = Held()
        with suppress(KeyError, asyncio.CancelledError), await held.reserve():
            assert held.window.under_way == 1
            if error is not None:
                raise error
        assert held.window.under_way == 0
        await asyncio.wait_for(held.slots.acquire(), 1)

    run(main())


@pytest.mark.parametrize("used", [0, 400, 1000, 2500])
def test_the_difference_to_what_was_used_is_settled(used: int) -> None:
    async def main() -> None:
        held = Held()
        with await held.reserve() as reservation:
            before = held.bucket.wait_for(10_000)
            reservation.settle(used)
        assert held.bucket.wait_for(10_000) - before == pytest.approx((used - 1000) / PER_SECOND)

    run(main())


def test_what_was_settled_is_settled_again_from_there() -> None:
    async def main() -> None:
        held = Held()
        with await held.reserve() as reservation:
            before = held.bucket.wait_for(10_000)
            reservation.settle(3000)
            reservation.settle(1500)
        assert reservation.tokens == 1500
        assert held.bucket.wait_for(10_000) - before == pytest.approx(500 / PER_SECOND)

    run(main())


def test_tokens_that_were_not_settled_stay_taken() -> None:
    async def main() -> None:
        held = Held()
        reservation = await held.reserve()
        before = held.bucket.wait_for(10_000)
        with reservation:
            pass
        assert held.bucket.wait_for(10_000) == pytest.approx(before)

    run(main())


def test_one_that_has_landed_gives_its_place_back_once_and_keeps_its_slot() -> None:
    async def main() -> None:
        held = Held()
        with await held.reserve() as reservation:
            reservation.land()
            reservation.land()
            assert held.window.under_way == 0
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(held.slots.acquire(), 1)
        assert held.window.under_way == 0
        await asyncio.wait_for(held.slots.acquire(), 1)

    run(main())


def test_without_a_limit_of_tokens_there_is_nothing_to_settle() -> None:
    async def main() -> None:
        slots = Slots(1)
        await slots.acquire()
        with Reservation(1000, None, Window(), slots) as reservation:
            reservation.settle(5)
        assert reservation.tokens == 5

    run(main())
