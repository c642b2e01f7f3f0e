"""SharedBook: what all processes that share a Redis have spent in a day.

Each book there writes its own sum, so to write it twice does no harm, and what Redis has lost is there again
with the next step. Where Redis does not answer, a book goes on alone, with its part of what was left. Not
here: the connection (limits/server.py), limits of requests and tokens (limits/shared.py).
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from contextlib import suppress
from contextvars import Context
from datetime import date
from typing import NamedTuple

from safechat.budget.book import Alarm, Book, Entry
from safechat.limits.group import RedisLimits
from safechat.limits.server import PATIENCE, RedisServer, Script, reason_of
from safechat.log.events import event

_TRY_EVERY = 1.0  # seconds between two looks at a Redis that did not answer
_KEPT = 172_800  # seconds that a day's sums are kept
# One step: a book writes its own sum and asks what all have spent, and how many they are. With a limit it
# takes `want` back where all together would pass it.
_STEP = Script("""
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
local total = 0
for _, sum in ipairs(redis.call('HVALS', KEYS[1])) do total = total + tonumber(sum) end
local fits = 1
if ARGV[4] ~= '' and tonumber(ARGV[3]) > 0 and total > tonumber(ARGV[4]) then
    fits = 0
    total = total - tonumber(ARGV[3])
    redis.call('HSET', KEYS[1], ARGV[1], string.format('%.17g', ARGV[2] - ARGV[3]))
end
redis.call('EXPIRE', KEYS[1], ARGV[5])
local books = redis.call('HLEN', KEYS[1]) - redis.call('HEXISTS', KEYS[1], 'closed')
return {fits, string.format('%.17g', total), books}
""")
# What a book has spent goes to those that are closed: each step adds up the sums of those that are open.
_LEAVE = Script("""
redis.call('HDEL', KEYS[1], ARGV[1])
redis.call('HINCRBYFLOAT', KEYS[1], 'closed', ARGV[2])
""")


class Seen(NamedTuple):
    """What Redis said last: what all had spent, this book of it, and how many books there were."""

    total: float = 0.0
    own: float = 0.0
    books: int = 1


class SharedBook:
    """One book of those that share. For one event loop. `own` is the process's own book."""

    def __init__(self, limits: RedisLimits, own: Book) -> None:
        self._server = RedisServer(limits.url)
        self._prefix = f"{{safechat:{limits.name}}}:usd:"
        self._processes = limits.processes
        self._process = own
        self._id = secrets.token_hex(8)
        self._lock = asyncio.Lock()  # one step at a time: a step says what is spent by then
        self._day = date.min
        self._own = 0.0
        self._seen = Seen()
        self._alone = False  # while Redis does not answer
        self._returning: asyncio.Task[None] | None = None
        self._telling: asyncio.Task[None] | None = None
        self._alarm = Alarm()

    def spent(self, today: date) -> float:
        """Of all who share, as far as it is known."""
        if self._day != today:
            return 0.0
        return self._seen.total - self._seen.own + self._own

    async def enter(self, today: date, usd: float, limit: float | None) -> Entry | None:
        """As of any book."""
        async with self._lock:
            if self._day != today:
                self._day, self._own, self._seen = today, 0.0, Seen()
            self._own += usd
            fits = False
            try:
                answer = await self._step(usd, limit)
                fits = self._fits_alone(limit) if answer is None else answer
            finally:
                if not fits:  # or cancelled
                    self._own -= usd
            if not fits:
                return None
        await self._process.enter(today, usd, None)
        return Entry(self, today, usd, limit)

    def settle(self, entry: Entry, usd: float) -> None:
        """As of any book; the others hear of it soon."""
        self._process.settle(Entry(self._process, entry.day, entry.usd, None), usd)
        if self._day != entry.day:
            return
        self._own += usd - entry.usd
        self._alarm.look(entry.day, self.spent(entry.day), entry.limit)
        if self._telling is None or self._telling.done():
            # In a context of its own: it is for many calls.
            self._telling = asyncio.get_running_loop().create_task(self._tell(), context=Context())

    async def aclose(self) -> None:
        """Tell what was spent last, and close the connections."""
        if self._returning is not None:
            self._returning.cancel()
        if self._telling is not None:
            await asyncio.wait([self._telling], timeout=2 * PATIENCE)
        if self._own and not self._alone:
            with suppress(Exception):  # Redis may be gone, and nothing is lost by it
                await self._server.run(_LEAVE, [self._key], self._id, repr(self._own))
        await self._server.aclose()

    def _fits_alone(self, limit: float | None) -> bool:
        """Whether what this book has spent since Redis answered last is within its part of what was left."""
        seen = self._seen
        return limit is None or self._own - seen.own <= max(0.0, limit - seen.total) / self._books

    @property
    def _books(self) -> int:
        """How many share what is left, as far as it is known."""
        return max(self._seen.books, self._processes)

    async def _tell(self) -> None:
        async with self._lock:
            await self._step(0.0, None)

    async def _step(self, want: float, limit: float | None) -> bool | None:
        """Write this book's sum, in which `want` is. Whether that fits; None where Redis does not answer."""
        if self._alone:
            return None
        try:
            return await self._ask(want, limit)
        except Exception as error:  # whatever it is: Redis is not what a call is for
            event(logging.WARNING, "budget.alone", books=self._books, error=reason_of(error))
            self._alone = True
            # In a context of its own: it outlives the call that has found Redis lost.
            self._returning = asyncio.get_running_loop().create_task(self._return(), context=Context())
            return None

    async def _ask(self, want: float, limit: float | None) -> bool:
        """The same; raises where Redis does not answer."""
        own = self._own
        words = (self._id, repr(own), repr(want), "" if limit is None else repr(limit), _KEPT)
        answer = await self._server.run(_STEP, [self._key], *words)
        fits = bool(answer[0])
        self._seen = Seen(float(answer[1]), own if fits else own - want, int(answer[2]))
        return fits

    async def _return(self) -> None:
        """Try again and again, while calls go by what is known."""
        while self._alone:
            await asyncio.sleep(_TRY_EVERY)
            await self._server.begin_anew()
            with suppress(Exception):
                await self._ask(0.0, None)
                self._alone = False

    @property
    def _key(self) -> str:
        return f"{self._prefix}{self._day}"
