"""A budget that processes share, on a real Redis."""

from __future__ import annotations

import asyncio
import json
import logging
import secrets
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import date
from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest
from redis import Redis

from fakes import eventually
from odev.classroom.bao import free_port
from processes import environment
from safechat import Budget, BudgetExceeded, ChatClientWrapper, RateLimits, RedisLimits
from safechat.budget.book import Book
from safechat.budget.shared import SharedBook
from safechat.testing import ScriptedClient

if TYPE_CHECKING:
    from redis_servers import Server

TODAY, TOMORROW = date(2026, 12, 31), date(2027, 1, 1)

# A process that asks 20 questions; each may cost a dollar, and does.
CALLER = """
import sys
from types import SimpleNamespace
from safechat import Budget, ChatClientWrapper, ChatError, RateLimits, RedisLimits

async def create(**_):
    message = {"role": "assistant", "content": "x"}
    return {"model": "m", "choices": [{"message": message, "finish_reason": "stop"}]}

client = SimpleNamespace(chat=SimpleNamespace(completions=SimpleNamespace(create=create)))
budget = Budget(usd_per_day=12.5, prices={"m": (0.0, 1.0)})
limits = RateLimits(shared=RedisLimits(sys.argv[1], name=sys.argv[2]))
with ChatClientWrapper(client, model="m", budget=budget, limits=limits) as chat:
    replies = chat.map(["a"] * 20, max_completion_tokens=1_000_000)
    print(sum(not isinstance(reply, ChatError) for reply in replies))
"""


@asynccontextmanager
async def books(server: Server, count: int = 2) -> AsyncIterator[list[SharedBook]]:
    """Each as if it were another process's."""
    limits = RedisLimits(server.url, name=f"test-{secrets.token_hex(4)}")
    opened = [SharedBook(limits, Book()) for _ in range(count)]
    try:
        yield opened
    finally:
        for book in opened:
            await book.aclose()


async def test_books_share_what_is_left(redis_server: Server) -> None:
    async with books(redis_server) as (one, other):
        first = await one.enter(TODAY, 2.0, 5.0)
        assert first is not None
        assert await other.enter(TODAY, 2.0, 5.0) is not None
        assert other.spent(TODAY) == 4.0
        assert await one.enter(TODAY, 2.0, 5.0) is None
        first.settle(0.5)
        await eventually(lambda: one._telling is not None and one._telling.done())
        assert await other.enter(TODAY, 2.0, 5.0) is not None
        assert other.spent(TODAY) == 4.5


async def test_a_burst_of_one_book_fits_as_far_as_it_can(redis_server: Server) -> None:
    async with books(redis_server, 1) as (book,):
        entries = await asyncio.gather(*(book.enter(TODAY, 1.0, 7.5) for _ in range(20)))
        assert sum(entry is not None for entry in entries) == 7
        assert book.spent(TODAY) == 7.0


async def test_each_day_has_a_budget_of_its_own(redis_server: Server) -> None:
    async with books(redis_server) as (one, other):
        entry = await one.enter(TODAY, 5.0, 5.0)
        assert entry is not None
        assert await other.enter(TOMORROW, 5.0, 5.0) is not None
        assert await one.enter(TOMORROW, 1.0, 5.0) is None
        entry.settle(0.0)
        assert await one.enter(TOMORROW, 1.0, 5.0) is None


async def test_who_is_cancelled_while_it_reserves_has_reserved_nothing(own_redis: Server) -> None:
    async with books(own_redis, 1) as (book,):
        await book.enter(TODAY, 1.0, 5.0)
        own_redis.pause()
        call = asyncio.create_task(book.enter(TODAY, 1.0, 5.0))
        await asyncio.sleep(0.05)
        call.cancel()
        await asyncio.wait([call])
        own_redis.resume()
        assert book.spent(TODAY) == 1.0


async def test_without_redis_each_has_its_part_of_what_was_left(
    own_redis: Server, caplog: pytest.LogCaptureFixture
) -> None:
    async with books(own_redis) as (one, other):
        await one.enter(TODAY, 1.0, 5.0)
        await other.enter(TODAY, 1.0, 5.0)
        own_redis.kill()
        with caplog.at_level(logging.WARNING, "safechat"):
            taken = [await other.enter(TODAY, 0.5, 5.0) for _ in range(6)]
        assert [entry is not None for entry in taken] == [True] * 3 + [False] * 3  # half of the 3 dollars
        assert [record.getMessage() for record in caplog.records] == ["budget.alone"]


async def test_who_starts_while_redis_is_down_has_the_part_that_it_was_given() -> None:
    limits = RedisLimits(f"redis://127.0.0.1:{free_port()}", name="prod", processes=4)
    book = SharedBook(limits, Book())
    taken = [await book.enter(TODAY, 0.5, 5.0) for _ in range(4)]
    await book.aclose()
    assert [entry is not None for entry in taken] == [True, True, False, False]


async def test_what_redis_has_lost_is_there_again(own_redis: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("safechat.budget.shared._TRY_EVERY", 0.0)
    async with books(own_redis) as (one, other):
        await one.enter(TODAY, 2.0, 5.0)
        await other.enter(TODAY, 1.0, 5.0)
        own_redis.kill()
        for book in (one, other):
            assert await book.enter(TODAY, 0.1, 5.0) is not None
        own_redis.start()
        await eventually(lambda: not (one._alone or other._alone))
        await other._tell()
        assert other.spent(TODAY) == pytest.approx(3.2)
        assert await one.enter(TODAY, 2.0, 5.0) is None


async def test_no_call_waits_again_for_a_redis_that_hangs(
    own_redis: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("safechat.budget.shared._TRY_EVERY", 0.0)
    async with books(own_redis, 1) as (book,):
        own_redis.pause()
        await book.enter(TODAY, 1.0, 50.0)
        for _ in range(20):
            entering = asyncio.create_task(book.enter(TODAY, 1.0, 50.0))
            for _ in range(5):
                await asyncio.sleep(0)
            assert entering.done()
        own_redis.resume()
        await eventually(lambda: not book._alone)
        assert book.spent(TODAY) == 21.0


async def test_what_closed_books_have_spent_stays_and_takes_one_place(redis_server: Server) -> None:
    async with books(redis_server, 5) as (*gone, last):
        for book in gone:
            await book.enter(TODAY, 1.0, 5.0)
            await book.aclose()
        assert await last.enter(TODAY, 1.5, 5.0) is None
        assert await last.enter(TODAY, 1.0, 5.0) is not None
        assert last._seen == (5.0, 1.0, 1)


def knows_its_cluster(client: Redis) -> bool:
    return "state:ok" in str(client.execute_command("CLUSTER", "INFO"))


async def test_the_node_of_a_cluster_that_has_the_sums_is_found(
    start_redis: Callable[..., Server],
) -> None:
    urls = [start_redis("--cluster-enabled", "yes").url for _ in range(2)]
    with Redis.from_url(urls[0]) as one, Redis.from_url(urls[1]) as other:
        one.execute_command("CLUSTER", "ADDSLOTS", *range(8192))
        other.execute_command("CLUSTER", "ADDSLOTS", *range(8192, 16384))
        one.execute_command("CLUSTER", "MEET", "127.0.0.1", str(urlsplit(urls[1]).port))
        for client in (one, other):
            await eventually(partial(knows_its_cluster, client))
    here, there = (SharedBook(RedisLimits(url, name="prod"), Book()) for url in urls)
    assert await here.enter(TODAY, 1.0, 5.0) is not None
    assert await there.enter(TODAY, 1.0, 5.0) is not None
    assert there.spent(TODAY) == 2.0
    await here.aclose()
    await there.aclose()


def test_processes_together_keep_to_the_budget(redis_server: Server) -> None:
    name = f"test-{secrets.token_hex(4)}"
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", CALLER, redis_server.url, name],
            stdout=subprocess.PIPE,
            env=environment(),
            text=True,
            encoding="utf-8",
        )
        for _ in range(3)
    ]
    answered = [int(process.communicate(timeout=100)[0]) for process in processes]
    assert sum(answered) == 12


def test_a_wrapper_shares_its_budget_where_its_limits_are_shared(redis_server: Server) -> None:
    shared = RedisLimits(redis_server.url, name=f"test-{secrets.token_hex(4)}")
    wrappers = [
        ChatClientWrapper(
            ScriptedClient("Selam!"),
            model="m",
            budget=Budget(usd_per_day=1.5, prices={"m": (0.0, 1.0)}),
            limits=RateLimits(shared=shared),
        )
        for _ in range(2)
    ]
    with wrappers[0] as one, wrappers[1] as other:
        assert one.generate("Merhaba", max_completion_tokens=1_000_000).usage is None
        with pytest.raises(BudgetExceeded, match=r"of the day's \$1\.50 \$1\.00 are spent"):
            other.generate("Merhaba", max_completion_tokens=1_000_000)
    with Redis.from_url(redis_server.url, decode_responses=True) as client:
        (key,) = client.scan_iter(f"*{shared.name}*usd*")
        stored = json.dumps(client.hgetall(key))
        assert client.ttl(key) > 86_400
    assert "Merhaba" not in stored
