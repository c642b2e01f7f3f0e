"""`safechat logs`: the log read back, by a program and by a person."""

from __future__ import annotations

import json
import threading
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from clients import make_client, once
from command import safechat
from safechat import ChatClientWrapper, RequestTimedOut, ServerError, TruncatedReply, configure_logging
from safechat.cli.logs import Latencies, LogSummary, call_timeline, follow_lines
from safechat.testing import ScriptedClient, no_waiting
from wire import completion, http, wire


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """The log of a call that failed over twice, of nine good ones and of a bad one."""
    log = tmp_path / "chat_api.log"
    client = ScriptedClient(
        *[ServerError("503 upstream", status=503, model="a")] * 3,
        *[RequestTimedOut("slow", model="b")] * 3,
        *["ok"] * 10,
        ServerError("never", retryable=False, model="a"),
    )
    with configure_logging(log), no_waiting():
        with ChatClientWrapper(client, model="a", fallbacks=["b", "c"]) as chat:
            for _ in range(10):
                chat.generate("Merhaba")
            with pytest.raises(ServerError):
                chat.generate("Merhaba", deadline=0.5)
    with log.open("a") as file:
        file.write('{"event": "torn", "time\nnot ours at all\n[1, 2]\n{"no": "event"}\n')
    return log


def test_the_summary_counts_what_happened(path: Path) -> None:
    summary = json.loads(safechat("logs", str(path), "--json").stdout)
    assert (summary["calls"], summary["answered"]) == (11, 10)
    assert summary["success_rate"] == pytest.approx(10 / 11)
    assert summary["outcomes"] == {"ok": 10, "server_error": 1}
    assert summary["errors"]["a: server_error 503"] == 3
    assert summary["errors"]["b: timed_out"] == 3
    assert (summary["retries"] >= 4, summary["fallbacks"] >= 2) == (True, True)
    assert len(summary["slowest"]) == 5
    assert summary["foreign"] == 4


def test_the_summary_is_one_screen(path: Path) -> None:
    done = safechat("logs", str(path))
    assert done.returncode == 0
    assert len(done.stdout.splitlines()) <= 40
    for words in ("calls", "p50 / p95 / p99", "a: server_error 503", "4 of them torn or foreign"):
        assert words in done.stdout


def test_a_call_that_failed_over_twice_is_explained_by_one_command(path: Path) -> None:
    first = json.loads(path.read_text().splitlines()[0])["call_id"]
    done = safechat("logs", str(path), "--call", first)
    events = [line.split()[1] for line in done.stdout.splitlines()[1:] if line.split()[1:2]]
    expected = ["chat.attempt_failed", "chat.retry", "chat.fallback", "chat.call"]
    assert [event for event in dict.fromkeys(events) if event in expected] == expected
    whole = json.loads(safechat("logs", str(path), "--call", first, "--json").stdout)
    assert [line["next_model"] for line in whole if line["event"] == "chat.fallback"] == ["b", "c"]
    assert whole[-1]["outcome"] == "ok"


def test_the_tokens_of_an_answer_that_failed_are_in_the_summary(tmp_path: Path) -> None:
    log = tmp_path / "chat_api.log"
    cut = http(json.dumps(completion("Mer", finish_reason="length")).encode())
    with (
        configure_logging(log),
        wire(lambda peer: peer.say(cut)) as server,
        once(make_client("async", server.base_url)) as chat,
        pytest.raises(TruncatedReply),
    ):
        chat.generate("Merhaba")
    failed, call = (json.loads(line) for line in log.read_text().splitlines())
    assert (failed["event"], failed["host"], failed["prompt_tokens"]) == (
        "chat.attempt_failed",
        "127.0.0.1",
        9,
    )
    assert (call["event"], call["failed_prompt_tokens"], call["failed_completion_tokens"]) == (
        "chat.call",
        9,
        5,
    )
    summary = json.loads(safechat("logs", str(log), "--json").stdout)
    assert summary["tokens"] == {
        "prompt_tokens": 9,
        "completion_tokens": 5,
        "cached_tokens": 2,
        "reasoning_tokens": 3,
    }


def test_an_answer_that_failed_costs_what_it_would_have_cost() -> None:
    answer = {
        "host": "api.openai.com",
        "answered_by": "gpt-4o-mini",
        "prompt_tokens": 10_000,
        "completion_tokens": 1_000,
    }
    failed, answered = LogSummary(), LogSummary()
    failed.add(json.dumps({"event": "chat.attempt_failed", "kind": "truncated_reply", **answer}))
    failed.add(
        json.dumps({"event": "chat.call", "outcome": "truncated_reply", "failed_prompt_tokens": 10_000})
    )
    answered.add(json.dumps({"event": "chat.call", "outcome": "ok", **answer}))
    assert failed.costs.total() is not None
    assert failed.costs.total() == answered.costs.total()


@pytest.mark.parametrize(
    ("arguments", "words"), [(["nowhere.log"], "no file"), (["{path}", "--call", "zz"], "no call zz")]
)
def test_what_is_not_there_is_one_line_on_stderr(arguments: list[str], words: str, path: Path) -> None:
    done = safechat("logs", *(argument.format(path=path) for argument in arguments))
    assert done.returncode == 2
    assert words in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("time", ["soon", 17, None, "2026-01-01T00:00:01"])
def test_a_time_of_another_form_costs_no_timeline(time: object) -> None:
    times = ["2026-01-01T00:00:00Z", time, "2026-01-01T00:00:02Z"]
    lines = [json.dumps({"event": "e", "call_id": "c", "time": moment}) for moment in times]
    seconds = [seconds for seconds, _ in call_timeline(lines, "c")]
    assert seconds == [0.0, 1.0 if time == "2026-01-01T00:00:01" else 0.0, 2.0]


def test_percentiles_are_right_to_within_a_hundredth() -> None:
    latencies = Latencies()
    for number in range(1, 10_001):
        latencies.add(number / 10)
    for percent, value in ((50, 500), (95, 950), (99, 990)):
        assert latencies.percentile(percent) == pytest.approx(value, rel=0.01)
    assert Latencies().percentile(50) is None


def test_many_lines_need_little_memory() -> None:
    line: dict[str, Any] = {
        "time": "2026-01-01T00:00:00.000Z",
        "event": "chat.call",
        "outcome": "ok",
        "model": "m",
    }

    def read(count: int) -> int:
        summary = LogSummary()
        tracemalloc.start()
        for number in range(count):
            summary.add(json.dumps({**line, "call_id": f"{number:016x}", "latency_ms": 1 + number % 5000}))
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert summary.calls == count
        return peak

    LogSummary().add(json.dumps({**line, "latency_ms": 1}))  # loads the price list, once
    assert read(10_000) < 2 * read(1_000) + 200_000


def test_following_goes_on_over_a_file_that_turns_over(tmp_path: Path) -> None:
    path = tmp_path / "chat.log"
    seen: list[str] = []
    enough = threading.Event()

    def read() -> None:
        for text in follow_lines(path, every=0.01):
            if text is not None:
                seen.append(text.strip())
            if len(seen) == 4:
                enough.set()
                return

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    path.write_text("1\n2")
    wait_for(lambda: seen == ["1"])
    with path.open("a") as file:
        file.write("2\n3\n")
    wait_for(lambda: seen == ["1", "22", "3"])
    path.rename(tmp_path / "chat.log.1")
    path.write_text("4\n")
    assert enough.wait(60)
    assert seen == ["1", "22", "3", "4"]


def wait_for(condition: Callable[[], bool]) -> None:
    give_up = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < give_up
        time.sleep(0.01)
