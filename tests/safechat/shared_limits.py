"""Members of a group that shares its limits, and a look at what they keep in Redis."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, Self

from redis import Redis

from safechat import ChatRequest, RateLimits, RedisLimits
from safechat.limits.layer import Limited
from safechat.limits.quota import Quotas


@asynccontextmanager
async def members(
    shared: RedisLimits, *servers: Callable[[ChatRequest], Any], **limits: Any
) -> AsyncIterator[list[Limited]]:
    """One for each server, as if it were a process of its own. They meet before they are handed out."""
    all_quotas = [Quotas(RateLimits(**limits, shared=shared), random=lambda: 0.0) for _ in servers]
    try:
        yield [Limited(server, quotas) for server, quotas in zip(servers, all_quotas, strict=True)]
    finally:
        for quotas in all_quotas:
            await quotas.aclose()


async def until(condition: Callable[[], bool]) -> None:
    """Wait for what has no event: it is in Redis, or in a log."""
    while not condition():  # noqa: ASYNC110
        await asyncio.sleep(0.01)


class Stored:
    """What is in Redis under the name of `shared`."""

    def __init__(self, shared: RedisLimits) -> None:
        self.client = Redis.from_url(shared.url, decode_responses=True)
        self._prefix = f"{{safechat:{shared.name}}}:"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.client.close()

    @property
    def keys(self) -> list[str]:
        return sorted(self.client.scan_iter(f"{self._prefix}*"))

    @property
    def now(self) -> float:
        """Redis' own time."""
        seconds, microseconds = self.client.time()
        return float(seconds + microseconds / 1_000_000)

    @property
    def leases(self) -> dict[str, float]:
        """When each of them ends."""
        return {str(lease): float(ends) for lease, ends in self.client.zscan_iter(f"{self._prefix}slots")}

    @property
    def members(self) -> int:
        return int(self.client.zcard(f"{self._prefix}members"))

    def level(self, kind: str, model: str = "m") -> float:
        """What is taken of the limit of `requests` or of `tokens`, as of the last step."""
        return float(self.client.hget(f"{self._prefix}quota:{model}", kind) or 0)

    def limit(self, kind: str, model: str = "m") -> float:
        """A minute's, of `requests` or of `tokens`; 0 where nobody knows it."""
        return float(self.client.hget(f"{self._prefix}quota:{model}", f"{kind}_limit") or 0)

    def steps(self) -> int:
        """How many commands the members have sent to this Redis, all names together."""
        return int(self.client.info("commandstats").get("cmdstat_evalsha", {}).get("calls", 0))
