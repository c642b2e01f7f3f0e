"""How near to its quota does a client come? The benchmark goodput.py, on a clock that jumps."""

from __future__ import annotations

import asyncio
import math
import random

import pytest

from limited_apis import headers, limited, request
from safechat import ChatReply, ChatRequest, errors
from safechat.retry import Retried
from virtual_time import now, run

RATE, BURST, REQUESTS, AT_ONCE = 100, 10, 1500, 200


class QuotaApi:
    """100 requests a second with a burst of 10, over a network that is now faster, now slower."""

    def __init__(self, *, costs: bool, limit: int | None) -> None:
        self.costs = costs
        self.limit = limit
        self.level, self.updated = float(BURST), 0.0
        self.refused = 0
        self.random = random.Random(7)

    async def __call__(self, request: ChatRequest) -> ChatReply:
        await asyncio.sleep(self.random.expovariate(1 / 0.004))
        self.level, self.updated = min(BURST, self.level + (now() - self.updated) * RATE), now()
        allowed, level = self.level >= 1, self.level
        if allowed or self.costs:
            level = self.level = level - 1
        await asyncio.sleep(0.02 + self.random.expovariate(1 / 0.004))
        if not allowed:
            self.refused += 1
            wait = math.ceil((1 - level) / RATE * 1000) / 1000
            raise errors.RateLimited("429", status=429, retry_after=wait, model=request.model)
        reset = f"{(BURST - level) / RATE * 1000:.0f}ms"
        seen = {} if self.limit is None else headers(self.limit, math.floor(level), reset)
        return ChatReply("tamam", "m", headers=seen)


@pytest.mark.parametrize("costs", [False, True], ids=["a 429 is free", "a 429 costs quota"])
@pytest.mark.parametrize(
    ("by_hand", "limit"),
    [(RATE * 60, None), (None, RATE * 60), (None, BURST)],
    ids=["by hand", "from the headers", "the limit is the burst"],
)
def test_a_quota_is_used_and_hardly_ever_exceeded(
    by_hand: int | None, limit: int | None, costs: bool
) -> None:
    api = QuotaApi(costs=costs, limit=limit)

    async def main() -> float:
        layer = Retried(limited(api, requests_per_minute=by_hand, concurrency=AT_ONCE))
        numbers = iter(range(REQUESTS))

        async def caller() -> None:
            for _ in numbers:
                await layer(request())

        started = now()
        await asyncio.gather(*(caller() for _ in range(AT_ONCE)))
        return now() - started

    assert run(main()) <= 1.02 * REQUESTS / RATE
    assert api.refused <= 5
