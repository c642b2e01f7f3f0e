"""Limits that are shared, while their Redis does not answer: no call fails by it."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import pytest
from redis import Redis

from limited_apis import Server, of_tokens, request
from odev.classroom.bao import free_port
from redis_servers import Server as RedisServer
from safechat import RedisLimits
from safechat.limits import server
from safechat.limits.layer import Limited
from shared_limits import Stored, members, until
from virtual_time import now

FAST = {"requests_per_minute": 600_000.0}  # a limit that nobody feels


@pytest.fixture(autouse=True)
def _patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a busy machine Redis may need longer than a call would wait."""
    monkeypatch.setattr(server, "PATIENCE", 1.0)


@pytest.fixture(autouse=True)
def _log_everything(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "safechat")


def records(caplog: pytest.LogCaptureFixture, name: str) -> list[logging.LogRecord]:
    return [record for record in caplog.records if record.getMessage() == name]


async def logged(caplog: pytest.LogCaptureFixture, name: str, count: int) -> None:
    await until(lambda: len(records(caplog, name)) == count)


@asynccontextmanager
async def two_members(server: RedisServer, **limits: float) -> AsyncIterator[tuple[list[Limited], Server]]:
    """Two that have seen each other, and the API behind both."""
    api = Server()
    async with members(RedisLimits(server.url, name="prod"), api, api, **limits) as layers:
        for layer in (*layers, *layers):
            await layer(request())
        yield layers, api


@asynccontextmanager
async def forwarded(port: Callable[[], int | None]) -> AsyncIterator[int]:
    """A port whose connections go to `port`, as it is when they are made."""

    async def forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        upstream = await asyncio.open_connection("127.0.0.1", port())
        await asyncio.gather(pump(reader, upstream[1]), pump(upstream[0], writer))

    async def pump(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        while data := await source.read(65536):
            target.write(data)
        target.close()

    async with await asyncio.start_server(forward, "127.0.0.1", 0) as listening:
        yield listening.sockets[0].getsockname()[1]


async def test_calls_go_on_when_redis_is_killed(
    own_redis: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    async with two_members(own_redis, **FAST) as (layers, api):
        own_redis.kill()
        await asyncio.gather(*(layer(request()) for layer in layers for _ in range(20)))
    assert len(api.arrivals) == 4 + 40
    assert [record.__dict__["processes"] for record in records(caplog, "limits.alone")] == [2, 2]


async def test_calls_go_on_when_redis_hangs(own_redis: RedisServer, caplog: pytest.LogCaptureFixture) -> None:
    async with two_members(own_redis, **FAST) as (layers, api):
        own_redis.pause()
        await asyncio.gather(*(layer(request()) for layer in layers for _ in range(20)))
        own_redis.resume()
    assert len(api.arrivals) == 4 + 40
    assert [record.__dict__["error"] for record in records(caplog, "limits.alone")] == [
        "no answer in 1 s"
    ] * 2


async def test_the_hang_is_waited_for_once_and_not_by_each_call(own_redis: RedisServer) -> None:
    async with two_members(own_redis, **FAST) as (layers, _):
        own_redis.pause()
        began = now()
        for _ in range(30):
            await layers[0](request())
        own_redis.resume()
        assert now() - began < 30 * server.PATIENCE / 2


async def test_each_paces_at_its_share_when_redis_is_down(own_redis: RedisServer) -> None:
    async with two_members(own_redis, requests_per_minute=1200) as (layers, api):
        own_redis.kill()
        before = len(api.arrivals)
        await asyncio.gather(*(layers[0](request()) for _ in range(8)))
    first, *_, last = api.arrivals[before:]
    assert last - first > 7 / 10 - 0.15


async def test_slots_are_divided_when_redis_is_down(own_redis: RedisServer) -> None:
    async with two_members(own_redis, concurrency=4) as (layers, api):
        own_redis.kill()
        api.seconds = 0.05
        await asyncio.gather(*(layers[0](request()) for _ in range(8)))
    assert api.most == 2


async def test_a_request_that_only_the_whole_limit_allows_is_sent_when_redis_is_down(
    own_redis: RedisServer,
) -> None:
    async with two_members(own_redis, tokens_per_minute=60_000) as (layers, api):
        own_redis.kill()
        big = asyncio.ensure_future(layers[0](of_tokens(40_000)))
        await asyncio.wait([big], timeout=0.5)
        assert not big.done()  # it waits for its tokens; it is not too large
        big.cancel()
        await asyncio.wait([big])
    assert len(api.arrivals) == 4


async def test_the_group_comes_together_again_when_redis_has_been_killed_and_started(
    own_redis: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    async with two_members(own_redis, requests_per_minute=1200) as (layers, _):
        own_redis.kill()
        for layer in layers:
            await layer(request())
        own_redis.start()
        await logged(caplog, "limits.shared", 2)
        with Stored(RedisLimits(own_redis.url, name="prod")) as stored:
            assert stored.members == 2
            steps = stored.steps()
            await layers[0](request())
            assert stored.steps() > steps
    assert len(records(caplog, "limits.alone")) == 2


async def test_the_group_comes_together_again_when_redis_has_hung(
    own_redis: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    async with two_members(own_redis, concurrency=2, **FAST) as (layers, api):
        own_redis.pause()
        for layer in layers:
            await layer(request())
        own_redis.resume()
        await logged(caplog, "limits.shared", 2)
        api.seconds, api.most = 0.02, 0
        await asyncio.gather(*(layer(request()) for layer in layers for _ in range(5)))
        assert api.most == 2  # all slots are back, those too whose end Redis did not hear of
    assert len(records(caplog, "limits.alone")) == 2


async def test_calls_that_are_under_way_count_in_a_redis_that_has_lost_everything(
    own_redis: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    async with two_members(own_redis, concurrency=2, **FAST) as (layers, api):
        api.seconds = 60
        before = asyncio.ensure_future(layers[0](request()))
        await until(lambda: api.under_way == 1)
        own_redis.kill()
        meanwhile = asyncio.ensure_future(layers[1](request()))
        await until(lambda: api.under_way == 2)
        later = asyncio.ensure_future(layers[0](request()))
        await logged(caplog, "limits.alone", 2)
        own_redis.start()
        await logged(caplog, "limits.shared", 2)
        with Stored(RedisLimits(own_redis.url, name="prod")) as stored:
            assert len(stored.leases) == 2
        for call in (before, meanwhile, later):
            call.cancel()
        await asyncio.wait([before, meanwhile, later])


async def test_calls_while_redis_is_down_leave_nothing_to_tell_it(
    own_redis: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    async with two_members(own_redis, **FAST) as (layers, _):
        own_redis.kill()
        await asyncio.gather(*(layer(request()) for layer in layers for _ in range(500)))
        own_redis.start()
        await logged(caplog, "limits.shared", 2)
        with Stored(RedisLimits(own_redis.url, name="prod")) as stored:
            assert stored.client.info("stats")["total_net_input_bytes"] < 40_000  # the script, twice


async def test_a_lease_that_ended_meanwhile_is_given_back_to_a_redis_that_hung(
    own_redis: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    async with two_members(own_redis, **FAST) as (layers, api):
        api.seconds = 0.3
        call = asyncio.ensure_future(layers[0](request()))
        await until(lambda: api.under_way == 1)
        own_redis.pause()
        await call
        await layers[1](request())
        own_redis.resume()
        await logged(caplog, "limits.shared", 2)
        with Stored(RedisLimits(own_redis.url, name="prod")) as stored:
            await until(lambda: not stored.leases)


async def test_the_group_comes_together_again_at_the_server_that_has_taken_over(
    start_redis: Callable[..., RedisServer], caplog: pytest.LogCaptureFixture
) -> None:
    ports = [urlsplit(start_redis().url).port or 0 for _ in range(2)]
    async with forwarded(lambda: ports[0]) as port:
        shared = RedisLimits(f"redis://127.0.0.1:{port}", name="prod")
        async with members(shared, Server(), **FAST) as (layer,):
            await layer(request())
            with Redis(port=ports[0]) as client:  # it goes on answering, and takes no writes any more
                client.replicaof("127.0.0.1", free_port())
            await layer(request())
            await logged(caplog, "limits.alone", 1)
            ports.reverse()
            await asyncio.wait_for(logged(caplog, "limits.shared", 1), 30)


async def test_a_redis_that_was_never_there_harms_no_call(caplog: pytest.LogCaptureFixture) -> None:
    shared = RedisLimits(f"redis://127.0.0.1:{free_port()}", name="prod")
    async with members(shared, Server(), **FAST) as (layer,):
        for _ in range(3):
            await layer(request())
    assert len(records(caplog, "limits.alone")) == 1


async def test_a_process_that_starts_while_redis_is_down_paces_at_the_share_that_it_was_given(
    caplog: pytest.LogCaptureFixture,
) -> None:
    shared = RedisLimits(f"redis://127.0.0.1:{free_port()}", name="prod", processes=4)
    async with members(shared, api := Server(), requests_per_minute=1200) as (layer,):
        await asyncio.gather(*(layer(request()) for _ in range(6)))
    assert api.arrivals[-1] - api.arrivals[0] > 5 / 5 - 0.25
    (record,) = records(caplog, "limits.alone")
    assert record.__dict__["processes"] == 4


async def test_a_process_that_starts_while_redis_is_down_has_its_share_of_the_slots() -> None:
    shared = RedisLimits(f"redis://127.0.0.1:{free_port()}", name="prod", processes=4)
    async with members(shared, api := Server(seconds=0.02), concurrency=8) as (layer,):
        await asyncio.gather(*(layer(request()) for _ in range(10)))
    assert api.most == 2


async def test_the_processes_that_were_seen_count_where_they_are_more(
    own_redis: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    shared = RedisLimits(own_redis.url, name="prod", processes=2)
    api = Server()
    async with members(shared, api, api, api, **FAST) as layers:
        for layer in (*layers, *layers):
            await layer(request())
        own_redis.kill()
        await layers[0](request())
    assert records(caplog, "limits.alone")[0].__dict__["processes"] == 3


async def test_what_is_no_redis_harms_no_call(caplog: pytest.LogCaptureFixture) -> None:
    async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0, family=socket.AF_INET)
    async with server:
        shared = RedisLimits(f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}", name="prod")
        async with members(shared, Server(), **FAST) as (layer,):
            await layer(request())
    assert len(records(caplog, "limits.alone")) == 1


async def test_a_wrong_password_harms_no_call_and_is_not_logged(
    start_redis: Callable[..., RedisServer], caplog: pytest.LogCaptureFixture
) -> None:
    url = start_redis("--requirepass", "right", password="right").url
    for password in ("right", "very-wrong"):
        shared = RedisLimits(url.replace("right", password), name="prod")
        async with members(shared, Server(), **FAST) as (layer,):
            await layer(request())
    (record,) = records(caplog, "limits.alone")
    assert "password" in record.__dict__["error"]
    assert "very-wrong" not in str(record.__dict__)
