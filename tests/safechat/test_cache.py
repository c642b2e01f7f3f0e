"""Cached and DiskCache: the same question is asked once, and a cache never makes a call worse."""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import pickle
import stat
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import diskcache
import pydantic
import pytest

from fakes import AsyncFake
from safechat import (
    ChatClientWrapper,
    ChatError,
    ChatReply,
    ChatRequest,
    DeadlineExceeded,
    DiskCache,
    RateLimited,
    RequestTimedOut,
    ServerError,
    TruncatedReply,
    Usage,
    configure_logging,
)
from safechat.cache import Cached, bytes_of, key_of, reply_of
from safechat.fallback import Fallback, Target
from safechat.log.layer import Logged
from safechat.testing import ScriptedHandler
from virtual_time import run

REQUEST = ChatRequest(({"role": "user", "content": "Merhaba"},), "m")
REPLY = ChatReply(
    "Selam!",
    "m-2026",
    finish_reason="stop",
    usage=Usage(9, 4, 13),
    request_id="req_1",
    tool_calls=({"id": "1", "function": {"name": "f", "arguments": "{}"}},),
    base_url="https://api.openai.com/v1",
    id="chatcmpl-1",
    reasoning="hm",
    raw={"id": "chatcmpl-1"},
)


class Bill(pydantic.BaseModel):
    total: float


class Memory:
    """A cache that notes how it is used, and can fail or hang."""

    def __init__(self, problem: Exception | None = None, *, hangs: bool = False) -> None:
        self.kept: dict[str, bytes] = {}
        self.problem = problem
        self.hangs = hangs

    async def get(self, key: str) -> bytes | None:
        await self._misbehave()
        return self.kept.get(key)

    async def set(self, key: str, value: bytes) -> None:
        await self._misbehave()
        self.kept[key] = value

    async def _misbehave(self) -> None:
        if self.hangs:
            await asyncio.sleep(1000)
        if self.problem is not None:
            raise self.problem


class Gate:
    """A handler that answers when `opened` is set, after so many errors."""

    def __init__(self, *errors: ChatError) -> None:
        self.errors = list(errors)
        self.opened = asyncio.Event()
        self.requests = 0
        self.reply = REPLY

    async def __call__(self, request: ChatRequest) -> ChatReply:
        self.requests += 1
        await self.opened.wait()
        if self.errors:
            raise self.errors.pop(0)
        return self.reply


def test_the_same_question_is_asked_once() -> None:
    async def main() -> None:
        api = ScriptedHandler(REPLY)
        cached = Cached(api, Memory())
        first, second = await cached(REQUEST), await cached(REQUEST)
        assert len(api.requests) == 1
        assert (first.cached, second.cached) == (False, True)
        assert second == replace(first, cached=True, attempts=0)
        assert second.raw == {"id": "chatcmpl-1"}
        assert second.cost_usd == 0.0

    run(main())


@pytest.mark.parametrize(
    "other",
    [
        replace(REQUEST, model="n"),
        replace(REQUEST, messages=({"role": "user", "content": "Merhaba!"},)),
        replace(REQUEST, messages=({"role": "system", "content": "Merhaba"},)),
        replace(REQUEST, params={"temperature": 0.7}),
        replace(REQUEST, params={"tools": [{"type": "function"}]}),
        replace(REQUEST, parse=Bill),
        replace(REQUEST, api="responses"),
        replace(REQUEST, endpoint="POST /embeddings"),
    ],
)
def test_another_question_is_another_one(other: ChatRequest) -> None:
    assert key_of(other, ["https://a/v1"]) != key_of(REQUEST, ["https://a/v1"])


def test_another_api_is_another_question() -> None:
    keys = {key_of(REQUEST, where) for where in (["https://a/v1"], ["https://b/v1"], ["https://a/v1", None])}
    assert len(keys) == 3


def test_time_limits_and_the_order_of_parameters_change_nothing() -> None:
    one = replace(REQUEST, params={"temperature": 0, "seed": 1}, timeout=1, deadline=5.0)
    other = replace(REQUEST, params={"seed": 1, "temperature": 0})
    assert key_of(one, []) == key_of(other, [])


def test_of_the_same_calls_at_once_one_asks() -> None:
    async def main() -> None:
        api = Gate()
        cached = Cached(api, Memory())
        calls = [asyncio.create_task(cached(REQUEST)) for _ in range(20)]
        await asyncio.sleep(1)
        api.opened.set()
        replies = await asyncio.gather(*calls)
        assert api.requests == 1
        assert [reply.cached for reply in replies] == [False] + [True] * 19

    run(main())


def test_an_error_goes_to_all_who_wait_and_is_not_kept() -> None:
    async def main() -> None:
        api = Gate(ServerError("503", usage=Usage(1, 1, 2)))
        cached = Cached(api, Memory())
        calls = [asyncio.create_task(cached(REQUEST)) for _ in range(3)]
        await asyncio.sleep(1)
        api.opened.set()
        first, *others = await asyncio.gather(*calls, return_exceptions=True)
        assert isinstance(first, ServerError)
        assert first.attempts == 1
        for other in others:
            assert isinstance(other, ServerError)
            assert other is not first
            assert (other.attempts, other.usage) == (0, None)
        assert not (await cached(REQUEST)).cached

    run(main())


@pytest.mark.parametrize("error", [DeadlineExceeded, RequestTimedOut, RateLimited, TruncatedReply])
def test_an_error_that_another_call_may_escape_goes_to_nobody_else(error: type[ChatError]) -> None:
    async def main() -> None:
        api = Gate(error("of one call"))
        cached = Cached(api, Memory())
        calls = [asyncio.create_task(cached(REQUEST)) for _ in range(3)]
        await asyncio.sleep(1)
        api.opened.set()
        first, second, third = await asyncio.gather(*calls, return_exceptions=True)
        assert isinstance(first, error)
        assert isinstance(second, ChatReply)
        assert isinstance(third, ChatReply)
        assert (second.cached, third.cached, api.requests) == (False, True, 2)

    run(main())


def test_those_who_wait_share_no_object_and_get_a_model_of_their_own_class() -> None:
    other = pydantic.create_model("Bill", total=(float, ...))

    async def main() -> None:
        api = Gate()
        api.reply = replace(REPLY, text='{"total": 1.5}')
        cached = Cached(api, Memory())
        asks = replace(REQUEST, parse=Bill), replace(REQUEST, parse=other), replace(REQUEST, parse=Bill)
        assert len({key_of(ask, []) for ask in asks}) == 1
        calls = [asyncio.create_task(cached(ask)) for ask in asks]
        await asyncio.sleep(1)
        api.opened.set()
        first, second, third = await asyncio.gather(*calls)
        assert api.requests == 1
        assert [type(reply.parsed) for reply in (second, third)] == [other, Bill]
        assert third.raw is not first.raw

    run(main())


def test_nobody_waits_for_a_stream_whose_consumer_is_busy() -> None:
    async def main() -> None:
        cached: Cached

        async def api(request: ChatRequest) -> ChatReply:
            if request.on_piece is not None:
                await request.on_piece("Selam!")
            return REPLY

        async def on_piece(_: str) -> None:
            asked.append((await cached(REQUEST)).cached)

        asked: list[bool] = []
        cached = Cached(api, Memory())
        async with asyncio.timeout(10):
            await cached(replace(REQUEST, on_piece=on_piece))
        assert asked == [False]
        assert (await cached(REQUEST)).cached

    run(main())


def test_a_stream_without_an_end_may_be_cut_and_is_not_kept() -> None:
    async def on_piece(_: str) -> None:
        pass

    async def main() -> None:
        cached = Cached(ScriptedHandler(replace(REPLY, finish_reason=None)), Memory())
        asked = replace(REQUEST, on_piece=on_piece, strict_streams=False)
        assert [(await cached(asked)).cached for _ in range(2)] == [False, False]

    run(main())


def test_when_the_call_that_asks_is_cancelled_the_next_one_asks() -> None:
    async def main() -> None:
        api = Gate()
        cached = Cached(api, Memory())
        first, second = (asyncio.create_task(cached(REQUEST)) for _ in range(2))
        await asyncio.sleep(1)
        first.cancel()
        api.opened.set()
        assert not (await second).cached
        assert api.requests == 2
        assert first.cancelled()

    run(main())


def test_who_waits_may_be_cancelled_and_disturbs_nobody() -> None:
    async def main() -> None:
        api = Gate()
        cached = Cached(api, Memory())
        first, second, third = (asyncio.create_task(cached(REQUEST)) for _ in range(3))
        await asyncio.sleep(1)
        second.cancel()
        api.opened.set()
        assert [(await call).cached for call in (first, third)] == [False, True]

    run(main())


def test_a_stream_gets_a_kept_answer_in_one_piece() -> None:
    async def main() -> None:
        pieces: list[str] = []
        begun: list[object] = []

        async def on_piece(piece: str) -> None:
            pieces.append(piece)

        cached = Cached(ScriptedHandler(REPLY), Memory())
        await cached(REQUEST)
        reply = await cached(replace(REQUEST, on_piece=on_piece, on_start=begun.append))
        assert (pieces, begun, reply.cached) == (["Selam!"], [{}], True)

    run(main())


def test_an_answer_that_was_cut_is_not_kept() -> None:
    async def main() -> None:
        cached = Cached(ScriptedHandler(replace(REPLY, finish_reason="length")), Memory())
        request = replace(REQUEST, allow_truncated=True)
        assert [(await cached(request)).cached for _ in range(2)] == [False, False]

    run(main())


def test_a_fallbacks_answer_is_not_kept() -> None:
    async def main() -> None:
        own = ScriptedHandler(ServerError("503", model="m"), REPLY)
        asked = Fallback(own, [Target(ScriptedHandler("from another"), "other")])
        cached = Cached(asked, Memory())
        assert (await cached(REQUEST)).text == "from another"
        assert (await cached(REQUEST)).text == "Selam!"
        assert (await cached(REQUEST)).cached

    run(main())


def test_an_endpoint_that_only_lists_is_not_cached() -> None:
    async def main() -> None:
        api = ScriptedHandler(REPLY)
        cached = Cached(api, Memory())
        for _ in range(2):
            await cached(replace(REQUEST, endpoint="GET /models"))
        assert len(api.requests) == 2

    run(main())


def test_the_parsed_model_is_made_anew() -> None:
    async def main() -> None:
        text = '{"total": 9.5}'
        kept = Memory()
        request = replace(REQUEST, parse=Bill)
        await Cached(ScriptedHandler(replace(REPLY, text=text, parsed=Bill(total=9.5))), kept)(request)
        reply = await Cached(ScriptedHandler("unused"), kept)(request)
        assert (reply.cached, reply.parsed) == (True, Bill(total=9.5))

    run(main())


@pytest.mark.parametrize(
    "value", [None, b"", b"[]", b"\xff", b'{"text": "from a later version"}', "not bytes", 7]
)
def test_what_is_no_answer_of_ours_is_asked_anew(value: object) -> None:
    assert reply_of(value, REQUEST) is None


def test_an_answer_that_does_not_fit_the_schema_any_more_is_asked_anew() -> None:
    assert reply_of(bytes_of(replace(REPLY, tool_calls=())), replace(REQUEST, parse=Bill)) is None


def test_an_answer_comes_back_as_it_was() -> None:
    assert reply_of(bytes_of(REPLY), REQUEST) == REPLY
    assert reply_of(bytes_of(replace(REPLY, usage=None)), REQUEST) == replace(REPLY, usage=None)


def test_an_answer_that_json_cannot_hold_is_not_kept() -> None:
    assert bytes_of(replace(REPLY, raw={"when": object()})) is None


@pytest.mark.parametrize("cache", [Memory(OSError("disk full")), Memory(hangs=True)], ids=["fails", "hangs"])
def test_a_cache_that_does_not_work_fails_no_call_and_is_logged_once(cache: Memory, tmp_path: Path) -> None:
    async def main() -> None:
        layer = Cached(ScriptedHandler(REPLY), cache)
        for _ in range(3):
            assert (await layer(REQUEST)).text == "Selam!"
        cache.problem, cache.hangs = None, False
        await layer(REQUEST)
        assert (await layer(REQUEST)).cached
        cache.problem = OSError("again")
        await layer(REQUEST)

    with configure_logging(str(tmp_path / "log")):
        run(main())
    events = [line for line in lines(tmp_path / "log") if line["event"] == "cache.failed"]
    assert len(events) == 2
    assert events[0]["operation"] == "get"


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_the_log_says_that_it_was_cached_and_counts_no_tokens(tmp_path: Path) -> None:
    async def main() -> None:
        logged = Logged(Cached(ScriptedHandler(REPLY), Memory()))
        for _ in range(2):
            await logged(REQUEST)

    with configure_logging(str(tmp_path / "log")):
        run(main())
    asked, kept = (line for line in lines(tmp_path / "log") if line["event"] == "chat.call")
    assert (asked["prompt_tokens"], asked.get("cached")) == (9, None)
    assert (kept.get("prompt_tokens"), kept["cached"], kept["attempts"]) == (None, True, 0)


def test_the_wrapper_takes_it_and_refuses_what_is_none(tmp_path: Path) -> None:
    api = AsyncFake()
    with ChatClientWrapper(api, model="m", cache=DiskCache(tmp_path)) as chat:
        assert [str(reply) for reply in chat.map(["a", "b", "a"])] == ["a", "b", "a"]
        assert "".join(chat.stream("a")) == "a"
        assert sorted(api.prompts) == ["a", "b"]
    wrong: Any = {"get": 1}
    with pytest.raises(TypeError, match="cache must have get and set"):
        ChatClientWrapper(api, cache=wrong.items)


def test_a_disk_cache_is_there_for_the_next_program(tmp_path: Path) -> None:
    DiskCache(tmp_path).set("a", b"1")
    context = multiprocessing.get_context("spawn")
    with context.Pool(1) as pool:
        assert pool.apply(_read, (str(tmp_path), "a")) == b"1"


def _read(folder: str, key: str) -> bytes | None:
    return DiskCache(folder).get(key)


def test_a_disk_cache_is_its_owners_alone_and_runs_no_code(tmp_path: Path) -> None:
    cache = DiskCache(tmp_path / "cache")
    if sys.platform != "win32":
        assert stat.S_IMODE((tmp_path / "cache").stat().st_mode) == 0o700
    diskcache.Cache(str(tmp_path / "cache")).set("a", Trap(tmp_path / "sprung"))
    with pytest.raises(ValueError, match="pickle"):
        cache.get("a")
    assert not (tmp_path / "sprung").exists()
    with ChatClientWrapper(AsyncFake(), model="m", cache=cache) as chat:
        assert str(chat.generate("a")) == "a"


class Trap:
    """Makes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, Sequence[Any]]:
        return Path.touch, (self.path,)


def test_the_trap_would_work(tmp_path: Path) -> None:
    pickle.loads(pickle.dumps(Trap(tmp_path / "sprung")))
    assert (tmp_path / "sprung").exists()


def test_answers_are_dropped_when_their_time_is_over_and_beyond_the_size(tmp_path: Path) -> None:
    DiskCache(tmp_path / "a", seconds=-1).set("a", b"1")
    assert DiskCache(tmp_path / "a").get("a") is None
    small = DiskCache(tmp_path / "b", max_bytes=1_000_000)
    for number in range(40):
        small.set(str(number), b"x" * 50_000)
    assert sum(small.get(str(number)) is not None for number in range(40)) < 40
    assert small.get("39") is not None
