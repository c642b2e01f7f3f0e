"""Limits that several processes share, on a real Redis. A member stands for a process."""

from __future__ import annotations

import asyncio
import json
import math
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from itertools import pairwise
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

import pytest
from redis import Redis

from limited_apis import Refusing, Server, headers, of_tokens, request
from odev.classroom.bao import free_port
from processes import environment, run_python
from redis_servers import Server as RedisServer
from safechat import (
    ChatClientWrapper,
    ChatQueue,
    ChatReply,
    ConnectionFailed,
    DeadlineExceeded,
    RateLimited,
    RateLimits,
    RedisLimits,
    RetryPolicy,
    ServerError,
    Usage,
)
from safechat.client.wrapper import shared_limits
from safechat.limits import server
from safechat.limits.group import Group, shared_at
from safechat.limits.slots import Slots
from safechat.settings import read_settings
from safechat.testing import ScriptedClient
from shared_limits import Stored, members, until
from virtual_time import now

FAST = {"requests_per_minute": 600_000.0}  # a limit that nobody feels


@pytest.fixture(autouse=True)
def _patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a busy machine Redis may need longer than a call would wait."""
    monkeypatch.setattr(server, "PATIENCE", 10.0)


# A process with the only slot, in a call that would take a minute. Its lease is 0.6 s long.
HOLDER = """
import asyncio, sys
from safechat import ChatRequest, RateLimits, RedisLimits, ChatReply
from safechat.limits import shared
from safechat.limits.layer import Limited
from safechat.limits.quota import Quotas

shared._LEASE_MARGIN = 0.1

async def api(request):
    print("under way", flush=True)
    await asyncio.sleep(60)

async def main():
    layer = Limited(api, Quotas(RateLimits(concurrency=1, shared=RedisLimits(sys.argv[1], name=sys.argv[2]))))
    deadline = asyncio.get_running_loop().time() + 0.5
    await layer(ChatRequest(({"role": "user", "content": "Merhaba"},), "m", deadline=deadline))

asyncio.run(main())
"""

# A process that calls as fast as it may, and prints when.
CALLER = """
import asyncio, sys, time
from safechat import ChatReply, ChatRequest, RateLimits, RedisLimits
from safechat.limits.layer import Limited
from safechat.limits.quota import Quotas

times = []

async def api(request):
    times.append(time.time())
    return ChatReply("tamam", "m")

async def main():
    limits = RateLimits(requests_per_minute=1200, shared=RedisLimits(sys.argv[1], name=sys.argv[2]))
    layer = Limited(api, quotas := Quotas(limits))
    await asyncio.gather(*(layer(ChatRequest(({"role": "user", "content": "x"},), "m")) for _ in range(12)))
    await quotas.aclose()
    print(times)

asyncio.run(main())
"""


def merged(*servers: Server) -> list[float]:
    return sorted(moment for server in servers for moment in server.arrivals)


async def test_members_together_keep_the_rate_of_one(shared: RedisLimits) -> None:
    one, other = Server(), Server()
    async with members(shared, one, other, requests_per_minute=1200) as layers:
        await asyncio.gather(*(layer(request()) for layer in layers for _ in range(10)))
    arrivals = merged(one, other)
    assert len(arrivals) == 20
    assert arrivals[-1] - arrivals[0] > (20 - 1 - 3) / 20  # a burst of 2, and one that comes late, are free


async def test_members_take_turns(shared: RedisLimits) -> None:
    one, other = Server(), Server()
    async with members(shared, one, other, requests_per_minute=1200) as layers:
        await asyncio.gather(*(layer(request()) for layer in layers for _ in range(10)))
    assert abs(sum(moment < other.arrivals[5] for moment in one.arrivals) - 5) <= 2


async def test_members_share_tokens(shared: RedisLimits) -> None:
    one, other = Server(), Server()
    async with members(shared, one, other, tokens_per_minute=60_000) as layers:
        await asyncio.gather(*(layer(of_tokens(100)) for layer in layers for _ in range(5)))
    arrivals = merged(one, other)
    assert arrivals[-1] - arrivals[0] > (1000 - 100 - 150) / 1000


async def test_members_share_slots(shared: RedisLimits) -> None:
    server = Server(seconds=0.05)
    async with members(shared, server, server, concurrency=3) as layers:
        await asyncio.gather(*(layer(request()) for layer in layers for _ in range(6)))
    assert server.most == 3


async def test_slots_are_shared_by_all_models_and_rates_are_not(shared: RedisLimits) -> None:
    server = Server(seconds=0.05)
    async with members(shared, server, server, concurrency=1, requests_per_minute=60) as (one, other):
        began = now()
        await asyncio.gather(one(request(model="a")), other(request(model="b")))
        assert now() - began < 1
    assert server.most == 1


async def test_a_member_that_waits_longer_gets_the_free_slot(shared: RedisLimits) -> None:
    one, other = Server(seconds=0.1), Server(seconds=0.1)
    async with members(shared, one, other, concurrency=1) as (first, second):
        busy = [asyncio.ensure_future(first(request())) for _ in range(6)]
        await asyncio.sleep(0.02)
        await second(request())
        assert len(one.arrivals) <= 3
        await asyncio.gather(*busy)


async def test_names_share_nothing(shared: RedisLimits) -> None:
    server = Server(seconds=0.05)
    other = RedisLimits(shared.url, name=f"{shared.name}-too")
    async with (
        members(shared, server, concurrency=1) as (one,),
        members(other, server, concurrency=1) as (two,),
    ):
        await asyncio.gather(one(request()), two(request()))
    assert server.most == 2


async def test_what_was_not_used_is_given_back_to_all(shared: RedisLimits, stored: Stored) -> None:
    server = Server(usage=Usage(9, 1, 10))
    async with members(shared, server, tokens_per_minute=60_000) as (layer,):
        await layer(request(params={"max_completion_tokens": 1000}))
    assert stored.level("tokens") < -500  # a credit: when it went, most of what it reserved had leaked


async def test_what_was_used_above_the_estimate_is_taken(shared: RedisLimits, stored: Stored) -> None:
    server = Server(usage=Usage(900, 100, 1000))
    async with members(shared, server, tokens_per_minute=6000) as (layer,):
        await layer(request())
    assert stored.level("tokens") > 900


async def test_a_call_is_counted_once(shared: RedisLimits, stored: Stored) -> None:
    async with members(shared, Server(), requests_per_minute=1) as (layer,):
        await layer(request())
    assert 0.9 < stored.level("requests") <= 1


async def test_a_call_that_is_cancelled_while_it_waits_gives_all_back(
    shared: RedisLimits, stored: Stored
) -> None:
    async with members(shared, Server(), requests_per_minute=1) as (layer,):
        await layer(request())
        waiting = asyncio.ensure_future(layer(request()))
        await until(lambda: stored.level("requests") > 1.5)
        waiting.cancel()
        await asyncio.wait([waiting])
    assert stored.level("requests") <= 1
    assert not stored.leases


async def test_a_call_that_is_cancelled_before_redis_has_answered_gives_all_back(
    shared: RedisLimits, stored: Stored, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, answers = asyncio.Event(), asyncio.Event()
    ask = Group.ask

    async def slow(*arguments: Any) -> Any:
        answer = await ask(*arguments)
        asked.set()
        await answers.wait()
        return answer

    async with members(shared, Server(), requests_per_minute=6) as (layer,):
        monkeypatch.setattr(Group, "ask", slow)
        call = asyncio.ensure_future(layer(request()))
        await asked.wait()
        assert stored.level("requests") > 0.5
        assert stored.leases
        call.cancel()
        await asyncio.wait([call])
        answers.set()
        await until(lambda: stored.level("requests") < 0.5 and not stored.leases)


async def test_a_call_that_would_come_too_late_is_refused_at_once_and_takes_nothing(
    shared: RedisLimits, stored: Stored
) -> None:
    async with members(shared, Server(), Server(), requests_per_minute=6) as (one, other):
        await one(request())
        began = now()
        with pytest.raises(DeadlineExceeded, match="the rate limit would have the call wait"):
            await other(request(deadline=now() + 5))
        assert now() - began < 5
    assert stored.level("requests") <= 1


async def test_the_limit_that_one_member_learns_is_known_to_all(shared: RedisLimits) -> None:
    async with members(shared, Server(headers=headers(60)), server := Server()) as (one, other):
        await one(request())
        await one(request())
        began = now()
        await other(request())
        assert server.arrivals[0] - began > 0.5  # one call a second, a burst of 1.05


async def test_a_429_makes_all_members_wait(shared: RedisLimits) -> None:
    refusing, server = Refusing({0: 0.5}), Server()
    async with members(shared, refusing, server, **FAST) as (one, other):
        with pytest.raises(RateLimited):
            await one(request())
        refused = now()
        await asyncio.sleep(0.05)  # the refusal goes to Redis by itself
        await other(request())
    assert server.arrivals[0] - refused > 0.4


async def test_a_429_makes_all_members_wait_also_where_no_limit_is_known(shared: RedisLimits) -> None:
    refusing, server = Refusing({0: 0.5}), Server()
    async with members(shared, refusing, server) as (one, other):
        with pytest.raises(RateLimited):
            await one(request())
        refused = now()
        await asyncio.sleep(0.05)
        await other(request())
    assert server.arrivals[0] - refused > 0.4


async def test_a_call_without_time_for_the_pause_of_another_member_is_refused(shared: RedisLimits) -> None:
    async with members(shared, Refusing({0: 50.0}), Server(), **FAST) as (one, other):
        with pytest.raises(RateLimited):
            await one(request())
        await asyncio.sleep(0.05)
        with pytest.raises(RateLimited, match="the API has all calls wait"):
            await other(request(deadline=now() + 5))


async def test_after_a_pause_members_do_not_go_all_at_once(shared: RedisLimits) -> None:
    refusing, server = Refusing({0: 0.3}), Server()
    async with members(shared, refusing, server, server, requests_per_minute=600) as (one, *others):
        with pytest.raises(RateLimited):
            await one(request())
        await asyncio.sleep(0.05)
        await asyncio.gather(*(layer(request()) for layer in others for _ in range(3)))
    arrivals = merged(server)
    assert arrivals[-1] - arrivals[0] > 0.35  # six at ten a second, of which one may come late


async def test_only_the_head_of_a_line_asks(shared: RedisLimits, stored: Stored) -> None:
    async with members(shared, Server(), requests_per_minute=60) as (layer,):
        await layer(request())
        await layer(request())
        before = stored.steps()
        waiting = [asyncio.ensure_future(layer(request())) for _ in range(50)]
        await asyncio.sleep(0.3)
        steps = stored.steps() - before
        for call in waiting:
            call.cancel()
        await asyncio.wait(waiting)
    assert 1 <= steps < 10


async def test_a_lease_ends_soon_after_its_process_whatever_its_call_may_take(
    shared: RedisLimits, stored: Stored
) -> None:
    lasts: list[float] = []

    async def api(request: Any) -> ChatReply:
        lasts.extend(ends - stored.now for ends in stored.leases.values())
        return ChatReply("tamam", "m")

    async with members(shared, api) as (layer,):
        for deadline in (5.0, 100.0, math.inf):
            await layer(request(deadline=now() + deadline))
    assert [round(seconds / 5) * 5 for seconds in lasts] == [10, 30, 30]
    assert not stored.leases


async def test_the_lease_of_a_long_call_is_renewed(
    shared: RedisLimits, stored: Stored, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("safechat.limits.shared._RENEW_EVERY", 0.05)
    async with members(shared, Server(seconds=60)) as (layer,):
        call = asyncio.ensure_future(layer(request()))
        await until(lambda: bool(stored.leases))
        (first,) = stored.leases.values()
        await until(lambda: all(ends > first for ends in stored.leases.values()))
        call.cancel()
        await asyncio.wait([call])
        await until(lambda: not stored.leases)


async def test_nothing_is_renewed_when_no_call_is_under_way(
    shared: RedisLimits, stored: Stored, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("safechat.limits.shared._RENEW_EVERY", 0.01)
    async with members(shared, Server()) as (layer,):
        await layer(request())
        await until(lambda: not stored.leases)
        before = stored.steps()
        await asyncio.sleep(0.1)
        assert stored.steps() == before


async def test_a_process_that_is_killed_gives_its_slot_back(shared: RedisLimits, stored: Stored) -> None:
    command = [sys.executable, "-c", HOLDER, shared.url, shared.name]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment()) as holder:  # noqa: ASYNC220
        assert holder.stdout is not None
        assert holder.stdout.readline().strip() == b"under way"
        holder.kill()
    assert len(stored.leases) == 1
    async with members(shared, server := Server(), concurrency=1) as (layer,):
        await layer(request(deadline=now() + 60))
    assert len(server.arrivals) == 1


def test_processes_together_keep_the_rate_of_one(shared: RedisLimits) -> None:
    command = [sys.executable, "-c", CALLER, shared.url, shared.name]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, env=environment()) for _ in range(3)]
    outputs = [process.communicate(timeout=100)[0] for process in running]
    arrivals = sorted(moment for output in outputs for moment in json.loads(output))
    assert len(arrivals) == 36
    for first, last in pairwise(range(0, 36, 12)):  # in any span the rate, a burst of 2, one late each
        assert last - first <= 20 * (arrivals[last] - arrivals[first]) + 2 + 3


async def test_the_clock_of_the_process_does_not_matter(
    shared: RedisLimits, stored: Stored, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time, "time", lambda: 1_000_000.0)
    async with members(shared, Server(seconds=0.3)) as (layer,):
        call = asyncio.ensure_future(layer(request(deadline=now() + 60)))
        await until(lambda: bool(stored.leases))
        (ends,) = stored.leases.values()
        assert 20 < ends - stored.now < 40
        await call


def knows_its_cluster(client: Redis) -> bool:
    return "state:ok" in str(client.execute_command("CLUSTER", "INFO"))


async def test_a_cluster_takes_the_keys_for_one_hash_slot(start_redis: Callable[..., RedisServer]) -> None:
    shared = RedisLimits(start_redis("--cluster-enabled", "yes").url, name="prod")
    with Stored(shared) as stored:
        stored.client.execute_command("CLUSTER", "ADDSLOTS", *range(16384))
        await until(partial(knows_its_cluster, stored.client))
        async with members(shared, Server(), requests_per_minute=1) as (layer,):
            await layer(request())
            assert 0.5 < stored.level("requests") <= 1  # what has leaked since then aside
            slots = {stored.client.execute_command("CLUSTER", "KEYSLOT", key) for key in stored.keys}
    assert len(slots) == 1


async def test_the_node_of_a_cluster_that_has_the_keys_is_found(
    start_redis: Callable[..., RedisServer],
) -> None:
    urls = [start_redis("--cluster-enabled", "yes").url for _ in range(2)]
    with Redis.from_url(urls[0]) as one, Redis.from_url(urls[1]) as other:
        one.execute_command("CLUSTER", "ADDSLOTS", *range(8192))
        other.execute_command("CLUSTER", "ADDSLOTS", *range(8192, 16384))
        one.execute_command("CLUSTER", "MEET", "127.0.0.1", str(urlsplit(urls[1]).port))
        await until(partial(knows_its_cluster, one))
        await until(partial(knows_its_cluster, other))
    api = Server(seconds=0.05)
    async with (
        members(RedisLimits(urls[0], name="prod"), api, concurrency=1) as (here,),
        members(RedisLimits(urls[1], name="prod"), api, concurrency=1) as (there,),
    ):
        await asyncio.gather(*(layer(request()) for layer in (here, there) for _ in range(4)))
    assert api.most == 1


async def test_all_that_is_kept_ends_some_day(shared: RedisLimits, stored: Stored) -> None:
    api = Server(seconds=60)
    async with members(shared, api, api, concurrency=1, **FAST) as layers:
        calls = [asyncio.ensure_future(layer(request())) for layer in layers]
        await until(lambda: len(stored.keys) == 4)  # the slots, the members, the line, the quota
        left = [stored.client.ttl(key) for key in stored.keys]
        for call in calls:
            call.cancel()
        await asyncio.wait(calls)
    assert all(0 < seconds <= 7200 for seconds in left)


SECRETS = ("sk-proj-very-secret-0000", "a private question", "a private answer")


def test_no_prompt_answer_or_key_goes_into_redis(shared: RedisLimits, stored: Stored) -> None:
    seen: list[str] = []
    with stored.client.monitor() as monitor:
        reader = threading.Thread(
            target=lambda: seen.extend(
                iter(lambda: monitor.next_command()["command"], f"ECHO end-{shared.name}")
            )
        )
        reader.start()
        client = ScriptedClient(ChatReply(SECRETS[2], "m", usage=Usage(10, 10, 20)))
        client.api_key = SECRETS[0]  # type: ignore[attr-defined]
        with ChatClientWrapper(client, model="m", limits=RateLimits(60, 6000, shared=shared)) as chat:
            assert chat.generate(SECRETS[1]).text == SECRETS[2]
        stored.client.echo(f"end-{shared.name}")
        reader.join(20)
    assert any("EVALSHA" in command for command in seen)
    assert not [secret for secret in SECRETS if secret in str(seen)]


def by_generate(chat: ChatClientWrapper) -> None:
    assert chat.generate("Merhaba").text == "tamam"


def by_generate_async(chat: ChatClientWrapper) -> None:
    assert asyncio.run(chat.generate_async("Merhaba")).text == "tamam"


def by_stream(chat: ChatClientWrapper) -> None:
    assert "".join(chat.stream("Merhaba")) == "tamam"


def by_stream_async(chat: ChatClientWrapper) -> None:
    async def read() -> str:
        return "".join([piece async for piece in chat.stream_async("Merhaba")])

    assert asyncio.run(read()) == "tamam"


def by_map(chat: ChatClientWrapper) -> None:
    assert [str(reply) for reply in chat.map(["Merhaba"])] == ["tamam"]


def by_queue(chat: ChatClientWrapper) -> None:
    async def ask() -> str:
        async with ChatQueue(chat) as queue:
            return str(await (await queue.submit("Merhaba")))

    assert asyncio.run(ask()) == "tamam"


WAYS = [by_generate, by_generate_async, by_stream, by_stream_async, by_map, by_queue]


@pytest.mark.parametrize("way", WAYS)
def test_each_way_of_a_call_shares(
    way: Callable[[ChatClientWrapper], None], shared: RedisLimits, stored: Stored
) -> None:
    limits = RateLimits(requests_per_minute=1, shared=shared)
    with ChatClientWrapper(ScriptedClient("tamam"), model="m", limits=limits) as chat:
        way(chat)
    assert 0.5 < stored.level("requests") <= 1
    assert not stored.leases


def test_wrappers_of_one_process_share(shared: RedisLimits, stored: Stored) -> None:
    limits = RateLimits(requests_per_minute=600_000, shared=shared)
    with (
        ChatClientWrapper(ScriptedClient("tamam"), model="m", limits=limits) as one,
        ChatClientWrapper(ScriptedClient("tamam"), model="m", limits=limits) as other,
    ):
        one.generate("Merhaba")
        other.generate("Merhaba")
        assert stored.members == 2
    assert stored.members == 0


def test_the_child_of_a_fork_is_a_member_of_its_own(shared: RedisLimits, stored: Stored) -> None:
    if not hasattr(os, "fork"):
        pytest.skip("this system cannot fork")
    run_python(f"""
import os
from safechat import ChatClientWrapper, RateLimits, RedisLimits
from safechat.client.wrapper import shared_limits
from safechat.limits import server
from safechat.limits.group import Group, shared_at
from safechat.limits.slots import Slots
from safechat.settings import read_settings
from safechat.testing import ScriptedClient
limits = RateLimits(requests_per_minute=600000, shared=RedisLimits({shared.url!r}, name={shared.name!r}))
chat = ChatClientWrapper(ScriptedClient("tamam"), model="m", limits=limits)
chat.generate("Merhaba")
child = os.fork()
chat.generate("Merhaba")
chat.close()
if child == 0:
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
""")
    assert stored.level("requests") == 0
    assert not stored.leases
    assert not stored.members


def test_a_call_inside_the_loop_over_the_only_stream_does_not_wait_for_it(
    shared: RedisLimits, stored: Stored
) -> None:
    limits = RateLimits(concurrency=1, shared=shared)
    client = ScriptedClient(["ta", "mam"], "evet")
    with ChatClientWrapper(client, model="m", limits=limits, deadline=20) as chat:
        for _ in chat.stream("Merhaba"):
            assert chat.generate("Merhaba").text == "evet"
    assert not stored.leases


def refusing() -> ScriptedClient:
    return ScriptedClient(RateLimited("429", status=429, retry_after=100.0))


def other_client() -> SimpleNamespace:
    return SimpleNamespace(chat=ScriptedClient("tamam").chat)


def models_of(shared: RedisLimits) -> list[str]:
    """Those whose quota is in Redis."""
    with Stored(shared) as stored:
        return [key.rpartition(":")[2] for key in stored.keys if ":quota:" in key]


def test_the_limits_of_a_fallback_client_are_shared_and_are_its_own(shared: RedisLimits) -> None:
    limits = RateLimits(requests_per_minute=600_000, shared=shared)
    with ChatClientWrapper(refusing(), model="a", fallbacks=[(other_client(), "b")], limits=limits) as chat:
        assert chat.generate("Merhaba").text == "tamam"
    assert models_of(shared) == ["a"]
    others = replace(shared, name=f"{shared.name}@other")
    assert models_of(others) == ["b"]
    with Stored(others) as stored:
        assert stored.limit("requests", "b") == 0  # what is set by hand is not for its quota


def test_a_429_of_a_fallback_client_makes_the_other_wrappers_wait_for_it(shared: RedisLimits) -> None:
    def fallback(*outcomes: ChatReply | Exception | str) -> SimpleNamespace:
        return SimpleNamespace(chat=ScriptedClient(*outcomes).chat)

    limits = RateLimits(shared=shared)
    busy = fallback(RateLimited("429", status=429, retry_after=100.0))
    with (
        ChatClientWrapper(refusing(), model="a", fallbacks=[(busy, "b")], limits=limits, deadline=20) as one,
        ChatClientWrapper(
            ScriptedClient(ServerError("503", status=503)),
            model="c",
            fallbacks=[(fallback("tamam"), "b")],
            limits=limits,
            retry=RetryPolicy(attempts=1),
            deadline=20,
        ) as other,
    ):
        with pytest.raises(RateLimited):
            one.generate("Merhaba")
        with pytest.raises(RateLimited, match="b: the API has all calls wait"):
            other.generate("Merhaba")


@pytest.mark.parametrize(
    ("addresses", "name"),
    [
        (["https://api.mistral.ai/v1"], "prod@api.mistral.ai"),
        (["https://user:secret@llm.example.com:8443/token/v1"], "prod@llm.example.com:8443"),
        (["https://a.example.com/v1", "https://b.example.com/v1"], "prod@b.example.com"),
        (["https://a.example.com/v1", "https://a.example.com/v2"], "prod@a.example.com#2"),
        ([None], "prod@other"),
        ([None, None], "prod@other#2"),
    ],
)
def test_another_client_is_named_by_its_host(addresses: list[str | None], name: str) -> None:
    *earlier, address = addresses
    assert shared_at(RedisLimits("redis://127.0.0.1", name="prod"), address, earlier).name == name


async def test_who_has_asked_nothing_has_nothing_to_leave(monkeypatch: pytest.MonkeyPatch) -> None:
    scripts: list[object] = []

    async def run(_: object, script: object, *__: object) -> None:
        scripts.append(script)

    monkeypatch.setattr(server.RedisServer, "run", run)
    group = Group(RedisLimits("redis://127.0.0.1", name="prod"), Slots(1))
    await group.aclose()
    assert not scripts


@pytest.mark.parametrize("url", ["", "http://127.0.0.1", "127.0.0.1:6379", "redis://host:port", 6379, None])
def test_a_url_that_is_none_of_a_redis_is_an_error(url: Any) -> None:
    with pytest.raises(ValueError, match="Redis"):
        RedisLimits(url, name="prod")


@pytest.mark.parametrize("name", ["", " ", "{a}", None])
def test_a_name_must_be_a_text_without_braces(name: Any) -> None:
    with pytest.raises(ValueError, match="name must be"):
        RedisLimits("redis://127.0.0.1", name=name)


@pytest.mark.parametrize(("processes", "problem"), [(0, ValueError), (-1, ValueError), (2.5, TypeError)])
def test_processes_is_a_count(processes: Any, problem: type[Exception]) -> None:
    with pytest.raises(problem, match="processes must be"):
        RedisLimits("redis://127.0.0.1", name="prod", processes=processes)


def test_the_environment_says_how_many_processes_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAFECHAT_REDIS_URL", "redis://127.0.0.1")
    monkeypatch.setenv("SAFECHAT_REDIS_PROCESSES", "10")
    limits = shared_limits(read_settings(None))
    assert limits is not None
    assert limits.processes == 10


def test_shared_must_be_redis_limits() -> None:
    with pytest.raises(TypeError, match="shared must be RedisLimits, not str"):
        RateLimits(shared="redis://127.0.0.1")  # type: ignore[arg-type]


def test_the_environment_names_the_redis(
    shared: RedisLimits, stored: Stored, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-proj-not-used-here")
    monkeypatch.setenv("OPENAI_BASE_URL", f"http://127.0.0.1:{free_port()}/v1")
    monkeypatch.setenv("SAFECHAT_REDIS_URL", shared.url)
    monkeypatch.setenv("SAFECHAT_REDIS_NAME", shared.name)
    monkeypatch.setenv("SAFECHAT_ATTEMPTS", "1")
    with ChatClientWrapper.from_env() as chat, pytest.raises(ConnectionFailed):
        chat.generate("Merhaba", "m")
    assert stored.level("requests") == 0
    assert [key for key in stored.keys if key.endswith(":quota:m")]


def test_the_password_is_not_shown() -> None:
    limits = RateLimits(shared=RedisLimits("redis://:secret@127.0.0.1", name="prod"))
    assert "secret" not in repr(limits)
