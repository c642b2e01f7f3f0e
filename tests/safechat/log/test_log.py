"""What is logged of a call, and that its records differ from those of every other call by an id."""

from __future__ import annotations

import asyncio
import logging
import os
import re
import subprocess
import sys
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import pytest

from clients import make_client, once
from fakes import AsyncFake, eventually
from safechat import (
    ChatClientWrapper,
    ChatError,
    ChatQueue,
    ChatReply,
    ChatRequest,
    RateLimits,
    RetryPolicy,
    ServerError,
    TruncatedReply,
    Usage,
    log_context,
)
from safechat.log.call_record import call_record
from safechat.log.layer import Logged, new_call_id
from safechat.testing import ScriptedClient, no_waiting
from sse import ROLE, chunk, sends
from virtual_time import run
from wire import wire


@pytest.fixture(autouse=True)
def _everything(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "safechat")


def logged(caplog: pytest.LogCaptureFixture, event: str | None = None) -> list[Any]:
    """The records of the library; with `event`, those of that name."""
    records = [record for record in caplog.records if record.name == "safechat"]
    return [record for record in records if event is None or record.getMessage() == event]


def test_an_answered_call_is_one_record(caplog: pytest.LogCaptureFixture) -> None:
    with ChatClientWrapper(AsyncFake(), model="m") as chat:
        chat.generate("Merhaba")
    (record,) = logged(caplog)
    assert (record.getMessage(), record.levelname, record.outcome) == ("chat.call", "INFO", "ok")
    assert (record.model, record.answered_by, record.attempts) == ("m", "gpt-5-mini-2025-08-07", 1)
    assert (
        record.prompt_tokens,
        record.completion_tokens,
        record.cached_tokens,
        record.reasoning_tokens,
    ) == (9, 5, 2, 3)
    assert record.latency_ms >= 0
    assert len(record.call_id) == 16


def test_neither_prompt_nor_answer_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    with ChatClientWrapper(ScriptedClient("gizli cevap")) as chat:
        chat.generate("gizli soru")
    assert "gizli" not in "".join(str(vars(record)) for record in caplog.records)


def test_every_record_of_a_failed_call_has_its_id(caplog: pytest.LogCaptureFixture) -> None:
    client = ScriptedClient(*[ServerError(f"{number}", model="x", status=503) for number in range(9)])
    retry = RetryPolicy(attempts=2)
    with no_waiting(), ChatClientWrapper(client, model="a", fallbacks=["b"], retry=retry) as chat:
        with pytest.raises(ServerError):
            chat.generate("Merhaba")
    # How long a request waits for room depends on the machine, so the waits are left out.
    records = [record for record in logged(caplog) if record.getMessage() != "chat.limited"]
    assert [record.getMessage() for record in records] == [
        "chat.attempt_failed", "chat.retry", "chat.attempt_failed", "chat.fallback",
        "chat.attempt_failed", "chat.retry", "chat.attempt_failed", "chat.call",
    ]  # fmt: skip
    assert len({record.call_id for record in records}) == 1
    assert (records[-1].outcome, records[-1].attempts, records[-1].levelname) == ("server_error", 4, "ERROR")


def test_calls_have_ids_of_their_own(caplog: pytest.LogCaptureFixture) -> None:
    with ChatClientWrapper(AsyncFake()) as chat:
        list(chat.map(["a"] * 20))
    assert len({record.call_id for record in logged(caplog, "chat.call")}) == 20


def test_a_deadline_and_a_cancelled_call_are_logged_too(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        client = AsyncFake(seconds=30)
        async with ChatClientWrapper(client) as chat:
            with pytest.raises(ChatError):
                await chat.generate_async("Merhaba", deadline=0.05)
            call = asyncio.create_task(chat.generate_async("Merhaba"))
            await eventually(lambda: client.under_way > 0)
            call.cancel()
            await asyncio.gather(call, return_exceptions=True)

    asyncio.run(main())
    assert [record.outcome for record in logged(caplog, "chat.call")] == ["deadline_exceeded", "cancelled"]


def test_a_wait_for_room_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    with ChatClientWrapper(AsyncFake(), limits=RateLimits(requests_per_minute=300)) as chat:
        for _ in range(4):
            chat.generate("Merhaba")
    (*_, last) = logged(caplog, "chat.limited")
    assert 50 <= last.wait_ms <= 5000


@pytest.mark.parametrize("way", ["generate", "generate_async", "map", "map_async", "queue", "stream"])
def test_the_callers_own_fields_are_in_every_record(way: str, caplog: pytest.LogCaptureFixture) -> None:
    async def main(chat: ChatClientWrapper) -> None:
        match way:
            case "generate":
                chat.generate("a")
            case "generate_async":
                await chat.generate_async("a")
            case "map":
                list(chat.map(["a", "b", "c"], workers=1))
            case "map_async":
                _ = [item async for item in chat.map_async(["a", "b", "c"], workers=1)]
            case "stream":
                list(chat.stream("a"))
            case "queue":
                async with ChatQueue(chat, workers=1) as queue:
                    for trace in ("t-1", "t-2", "t-3"):
                        with log_context(trace_id=trace):
                            await queue.submit("a")

    with log_context(trace_id="t-0", user="u"), ChatClientWrapper(ScriptedClient("b")) as chat:
        asyncio.run(main(chat))
    traces = [record.trace_id for record in logged(caplog, "chat.call")]
    expected = {"map": ["t-0"] * 3, "map_async": ["t-0"] * 3, "queue": ["t-1", "t-2", "t-3"]}
    assert traces == expected.get(way, ["t-0"])
    assert {record.user for record in logged(caplog)} == {"u"}


def test_a_library_prints_nothing_until_it_is_configured(capfd: pytest.CaptureFixture[str]) -> None:
    script = (
        "from safechat import ChatClientWrapper, ServerError\n"
        "from safechat.testing import ScriptedClient\n"
        "ChatClientWrapper(ScriptedClient(ServerError('503'), 'ok')).generate('Merhaba')\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, encoding="utf-8")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_field_with_a_name_of_loggings_own_costs_no_answer(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "safechat")
    with log_context(name="x", module="y"), ChatClientWrapper(ScriptedClient("ok")) as chat:
        assert chat.generate("Merhaba").text == "ok"
    (record,) = caplog.records
    assert (vars(record)["name_"], vars(record)["module_"]) == ("x", "y")


def test_a_filter_of_the_application_that_fails_costs_no_answer(capsys: pytest.CaptureFixture[str]) -> None:
    def broken(_: logging.LogRecord) -> bool:
        raise LookupError("a filter")

    logger = logging.getLogger("safechat")
    before = logger.level
    logger.setLevel("INFO")
    logger.addFilter(broken)
    try:
        with ChatClientWrapper(ScriptedClient("ok")) as chat:
            assert chat.generate("Merhaba").text == "ok"
    finally:
        logger.removeFilter(broken)
        logger.setLevel(before)
    assert "chat.call was not logged: LookupError" in capsys.readouterr().err


def test_the_first_piece_is_the_first_text_and_no_other_chunk(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 0.0
    fake = SimpleNamespace(perf_counter=lambda: now)
    monkeypatch.setattr("safechat.log.layer.time", fake)
    monkeypatch.setattr("safechat.log.call_record.time", fake)

    async def create(**_: object) -> AsyncIterator[object]:
        async def chunks() -> AsyncIterator[object]:
            nonlocal now
            for seconds, text, finish in ((1, "", None), (2, "Mer", None), (4, "haba", "stop")):
                now += seconds
                delta = {"role": "assistant", "content": text}
                yield {"model": "m", "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}

        return chunks()

    client = SimpleNamespace(chat=SimpleNamespace(completions=SimpleNamespace(create=create)))
    with ChatClientWrapper(client, model="m") as chat:
        assert list(chat.stream("Merhaba")) == ["Mer", "haba"]
    (record,) = logged(caplog, "chat.call")
    assert (record.first_piece_ms, record.latency_ms) == (3000, 7000)


def test_the_first_piece_of_a_stream_that_broke_off_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    with (
        wire(sends(ROLE, chunk("Mer"))) as server,
        once(make_client("async", server.base_url)) as chat,
        pytest.raises(TruncatedReply),
    ):
        list(chat.stream("Merhaba"))
    (record,) = logged(caplog, "chat.call")
    assert 0 < record.first_piece_ms <= record.latency_ms


def test_an_answer_that_was_not_streamed_has_no_first_piece(caplog: pytest.LogCaptureFixture) -> None:
    with ChatClientWrapper(AsyncFake(), model="m") as chat:
        chat.generate("Merhaba")
    (record,) = logged(caplog, "chat.call")
    assert not hasattr(record, "first_piece_ms")


def test_tokens_a_second_are_those_of_the_request_that_was_answered(caplog: pytest.LogCaptureFixture) -> None:
    async def handler(_: ChatRequest) -> ChatReply:
        with call_record() as record, record.wait():
            await asyncio.sleep(100)
        await asyncio.sleep(2)
        return ChatReply("ok", "m", usage=Usage(9, 30, 39))

    run(Logged(handler)(ChatRequest((), "m")))
    (record,) = logged(caplog, "chat.call")
    assert record.tokens_per_s == 15


def test_ids_of_calls_are_16_hexadecimal_digits_and_none_comes_twice() -> None:
    ids = [new_call_id() for _ in range(1000)]
    assert len(set(ids)) == 1000
    assert all(re.fullmatch("[0-9a-f]{16}", call_id) for call_id in ids)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork")
def test_the_child_of_a_fork_gives_other_ids_than_its_parent() -> None:
    program = """
import os
from safechat.log.layer import new_call_id

new_call_id()
if os.fork() == 0:
    print(new_call_id(), flush=True)
    os._exit(0)
os.wait()
print(new_call_id())
"""
    ids = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, encoding="utf-8", check=True
    ).stdout
    assert len(set(ids.split())) == 2
