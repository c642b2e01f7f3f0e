"""Group: the wrappers that share limits through one Redis, as one of them sees it.

Redis is asked by one script (shared.lua). Where it does not answer in time, this wrapper goes on alone, with
its fair share of what the API allows, and tries each second to come back. Not here: the connection
(server.py), what is asked, and what follows from the answers (shared.py).
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import Sequence
from contextlib import suppress
from contextvars import Context
from dataclasses import dataclass, field, replace
from importlib.resources import files
from typing import NamedTuple, Protocol, Self
from urllib.parse import urlsplit

from safechat.checks import check_count
from safechat.limits.bucket import BURST_SECONDS
from safechat.limits.server import RedisServer, Script, Word, reason_of
from safechat.limits.slots import Slots
from safechat.log.events import event
from safechat.runtime import clock

_TRY_EVERY = 1.0  # seconds
_LONGEST_LOOK = 5.0  # seconds for `answer_time`

_STEP = Script(files("safechat.limits").joinpath("shared.lua").read_text(encoding="utf-8"))
_LEAVE = Script("return redis.call('ZREM', KEYS[1], ARGV[1])")

_SCHEMES = ("redis://", "rediss://", "unix://")


@dataclass(frozen=True, slots=True)
class RedisLimits:
    """Limits that processes and machines share: all those whose `RateLimits` name the same Redis (version 6
    or later, or Valkey) and the same `name`. What is shared, for each model, is the requests and tokens that
    are used and the pause after a 429; for all models together, the calls at once. Those of a process that
    was killed count for half a minute.

    `url` is `redis://…`, `rediss://…` (TLS) or `unix://…`, with a password where there is one. It is to be
    near: without an answer in a quarter of a second, a new connection included, it counts as down
    (`safechat doctor` measures that). Neither prompts nor answers nor API keys go into Redis.

    While it does not answer, no call fails: each process goes on with an equal share of the limits, by the
    number of those that shared them when it answered last (who makes no call for ten seconds is not counted),
    and by `processes` where that is more. So say how many there are: without it a process that starts while
    Redis is down takes the whole limit for itself, until Redis is back. Of a process with several wrappers
    each one counts.

    A client among the fallbacks has a quota of its own, which is shared under `name@host`, the host that its
    base_url names. A second client at the same host has `name@host#2`, and so on.

    Raises ValueError for another URL or name, ModuleNotFoundError without the extra `safechat[redis]`.
    """

    url: str = field(repr=False)
    name: str = field(kw_only=True)
    processes: int = field(default=1, kw_only=True)

    def __post_init__(self) -> None:
        if not isinstance(self.url, str) or not self.url.startswith(_SCHEMES):
            raise ValueError(f"the URL of a Redis begins with {', '.join(_SCHEMES)}")
        if not isinstance(self.name, str) or not self.name.strip() or set(self.name) & set("{}"):
            raise ValueError(f"name must be a text without braces, not {self.name!r}")
        check_count("processes", self.processes)
        try:
            from redis.asyncio.connection import parse_url
        except ModuleNotFoundError:
            raise ModuleNotFoundError(
                "RedisLimits needs its extra: pip install 'safechat[redis]'", name="redis"
            ) from None
        try:
            parse_url(self.url)
        except ValueError as error:
            raise ValueError(f"this is no URL of a Redis: {error}") from None


def shared_at(limits: RedisLimits, base_url: str | None, earlier: Sequence[str | None]) -> RedisLimits:
    """The limits of another client, at `base_url`; None where it is not the SDK's. `earlier` are those of
    other clients before it."""
    host = _host_of(base_url)
    number = 1 + sum(_host_of(other) == host for other in earlier)
    return replace(limits, name=f"{limits.name}@{host}{f'#{number}' if number > 1 else ''}")


def _host_of(base_url: str | None) -> str:
    """Host and port. What else is in a URL may be a secret."""
    return urlsplit(base_url or "").netloc.rpartition("@")[2] or "other"


async def answer_time(limits: RedisLimits) -> float:
    """Seconds that Redis takes for the first answer on a new connection. Raises what redis-py does, and
    TimeoutError after a while."""
    from redis.asyncio import Redis

    began = clock.now()
    async with asyncio.timeout(_LONGEST_LOOK), Redis.from_url(limits.url) as redis:
        await redis.script_load(_STEP.text)
        return clock.now() - began


class Level(NamedTuple):
    """What is taken of one limit; it leaks after `held` seconds. `per_minute` is 0 where it is not known."""

    level: float
    held: float
    per_minute: float


class Answer(NamedTuple):
    """What one step of the script has done, and how things are after it."""

    reserved: bool
    leased: bool
    wait: float
    paused: float
    requests: Level
    tokens: Level
    members: int
    born: str
    since: str

    @classmethod
    def read(cls, text: str) -> Self:
        """Raises ValueError or IndexError for what the script does not answer."""
        words = text.split(" ")
        numbers = [float(word) for word in words[:10]]
        return cls(
            bool(numbers[0]),
            bool(numbers[1]),
            numbers[2],
            numbers[3],
            Level(*numbers[4:7]),
            Level(*numbers[7:10]),
            int(words[10]),
            words[11],
            words[12],
        )


class Shares(Protocol):
    """One model's part in it."""

    async def join(self) -> None:
        """Make known again what is under way. Raises where Redis does not answer."""

    def divide(self, fraction: float) -> None:
        """From now on this fraction of the limits is this member's; with 1 they are shared."""


class Group:
    """One member of it, with its `slots`. For one event loop. `alone` is true while Redis does not answer."""

    def __init__(self, limits: RedisLimits, slots: Slots) -> None:
        self._server = RedisServer(limits.url)
        self._name = limits.name
        self._prefix = f"{{safechat:{limits.name}}}:"  # in braces: what decides on the hash slot
        self._slots = slots
        self._shares: list[Shares] = []
        self._returning: asyncio.Task[None] | None = None
        self._lost_at = 0.0
        self.member = secrets.token_hex(8)
        self._processes = limits.processes
        self.members = 1  # that were alive at the last answer
        self.alone = False
        self._fraction = 1.0

    def add(self, shares: Shares) -> None:
        """One more model."""
        self._shares.append(shares)
        shares.divide(self._fraction)

    async def ask(self, model: str, *arguments: Word) -> Answer | None:
        """One step of the script, with its arguments after the first two. None where Redis does not answer:
        from now on this member is alone."""
        if self.alone:
            return None
        try:
            return await self.try_to_ask(model, *arguments)
        except Exception as error:  # whatever it is: no call fails because of Redis
            await self._lost(error)
            return None

    async def try_to_ask(self, model: str, *arguments: Word) -> Answer:
        """The same; raises where Redis does not answer."""
        keys = [f"{self._prefix}{name}" for name in ("slots", "members", "line", f"quota:{model}")]
        answer = Answer.read(await self._server.run(_STEP, keys, self.member, BURST_SECONDS, *arguments))
        self.members = answer.members
        return answer

    async def aclose(self) -> None:
        """Leave the group, and close the connections."""
        if self._returning is not None:
            self._returning.cancel()
        was_alone, self.alone = self.alone, True  # from now on nothing is sent
        if self._shares and not was_alone:
            with suppress(Exception):  # else others see after a while that it has gone
                await self._server.run(_LEAVE, [f"{self._prefix}members"], self.member)
        await self._server.aclose()

    async def _lost(self, error: Exception) -> None:
        if self.alone:
            return
        self.alone = True
        self._lost_at = clock.now()
        shares = max(self.members, self._processes)
        event(
            logging.WARNING,
            "limits.alone",
            group=self._name,
            processes=shares,
            error=reason_of(error),
        )
        await self._divide(1 / shares)
        # In a context of its own: it outlives the call that has found Redis lost.
        self._returning = asyncio.get_running_loop().create_task(self._return(), context=Context())

    async def _return(self) -> None:
        while self.alone:
            # All on the full second: those that are back already and those that are still alone would use
            # more than there is together.
            await asyncio.sleep(_TRY_EVERY - time.time() % _TRY_EVERY)
            await self._server.begin_anew()
            self.alone = not await self._joined()
        await self._divide(1.0)
        event(logging.INFO, "limits.shared", group=self._name, seconds=round(clock.now() - self._lost_at, 1))

    async def _joined(self) -> bool:
        try:
            for shares in self._shares:
                await shares.join()
        except Exception:  # the next try is in a second
            return False
        return True

    async def _divide(self, fraction: float) -> None:
        self._fraction = fraction
        for shares in self._shares:
            shares.divide(fraction)
        await self._slots.divide(fraction)
