"""`safechat logs`: the log read back, by a program and by a person."""

from __future__ import annotations

import json
import re
import threading
import time
import tracemalloc
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from clients import make_client, once
from command import safechat
from safechat import ChatClientWrapper, RequestTimedOut, ServerError, TruncatedReply, configure_logging
from safechat.cli.figures import Bars, Percentiles, nearest_rank
from safechat.cli.filters import read_moment
from safechat.cli.lines import follow_lines
from safechat.cli.logs import OTHERS, LogSummary, call_timeline, records_with
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
    with log.open("a", encoding="utf-8") as file:
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
    first = json.loads(path.read_text(encoding="utf-8").splitlines()[0])["call_id"]
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
    failed, call = (json.loads(line) for line in log.read_text(encoding="utf-8").splitlines())
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
    assert failed.cost_usd is not None
    assert failed.cost_usd == answered.cost_usd


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
    latencies = Percentiles()
    for number in range(1, 10_001):
        latencies.add(number / 10)
    for percent, value in ((50, 500), (95, 950), (99, 990)):
        assert latencies.percentile(percent) == pytest.approx(value, rel=0.01)
    assert Percentiles().percentile(50) is None


@pytest.mark.parametrize(
    ("counts", "percent", "number"),
    [
        ({5000: 10, 100: 90}, 50, 100),
        ({5000: 10, 100: 90}, 90, 100),
        ({5000: 10, 100: 90}, 91, 5000),
        (dict.fromkeys(range(1, 31), 1), 95, 29),  # of 30 numbers 28.5 are rounded up
        ({100: 1, 5000: 1}, 50, 100),
        ({}, 95, None),
    ],
)
def test_a_percentile_is_one_of_the_numbers(
    counts: dict[int, int], percent: float, number: int | None
) -> None:
    assert nearest_rank(counts, percent) == number


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
    path.write_text("1\n2", encoding="utf-8")
    wait_for(lambda: seen == ["1"])
    with path.open("a", encoding="utf-8") as file:
        file.write("2\n3\n")
    wait_for(lambda: seen == ["1", "22", "3"])
    path.rename(tmp_path / "chat.log.1")
    path.write_text("4\n", encoding="utf-8")
    assert enough.wait(60)
    assert seen == ["1", "22", "3", "4"]


def wait_for(condition: Callable[[], bool]) -> None:
    give_up = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < give_up
        time.sleep(0.01)


def call(second: int, outcome: str = "ok", **fields: object) -> str:
    """A line of a call, that second after three o'clock."""
    time = datetime(2026, 11, 25, 3, tzinfo=UTC) + timedelta(seconds=second)
    line = {"time": time.isoformat(), "event": "chat.call", "call_id": f"{second:016x}", "outcome": outcome}
    return json.dumps({**line, "model": "a", "latency_ms": 100.0, **fields}) + "\n"


@pytest.fixture
def several(tmp_path: Path) -> Path:
    """Six calls in an hour: two models, two tenants, two failures."""
    log = tmp_path / "several.log"
    log.write_text(
        call(0, tenant="x", prompt_tokens=10)
        + call(600, tenant="y", outcome="timed_out")
        + call(1200, tenant="x", model="b", answered_by="b-2026")
        + call(1800, tenant="x", stream=True)
        + call(2400, tenant="y", model="b", outcome="server_error")
        + call(3600, tenant="[red]"),
        encoding="utf-8",
    )
    return log


def summary_of(log: Path, *arguments: str) -> Any:
    done = safechat("logs", str(log), "--json", *arguments)
    assert (done.returncode, done.stderr) == (0, "")
    return json.loads(done.stdout)


@pytest.mark.parametrize(
    ("arguments", "calls"),
    [
        ([], 6),
        (["--since", "2026-11-25T03:10"], 5),
        (["--until", "2026-11-25T03:10:00Z"], 1),
        (["--since", "2026-11-25T06:10+03:00", "--until", "2026-11-25T03:40"], 3),
        (["--since", "1h"], 0),
        (["--model", "b"], 2),
        (["--model", "b-2026"], 1),
        (["--where", "tenant=x"], 3),
        (["--where", "tenant=x", "--where", "model=a"], 2),
        (["--where", "stream=true"], 1),
        (["--where", "latency_ms=100.0"], 6),
        (["--where", "tenant="], 0),
    ],
)
def test_only_the_records_that_are_wanted_are_counted(
    arguments: list[str], calls: int, several: Path
) -> None:
    assert summary_of(several, *arguments)["calls"] == calls


def test_a_time_may_be_so_long_ago() -> None:
    now = datetime(2026, 11, 25, 3, tzinfo=UTC)
    assert read_moment("90m", now) == datetime(2026, 11, 25, 1, 30, tzinfo=UTC)
    assert read_moment("1d", now) == datetime(2026, 11, 24, 3, tzinfo=UTC)
    assert read_moment("999999d", now) == datetime.min.replace(tzinfo=UTC)


@pytest.mark.parametrize(
    "arguments", [("--since", "soon"), ("--until", "2 h"), ("--where", "tenant"), ("--where", "=x")]
)
def test_a_condition_that_cannot_be_read_is_one_line_on_stderr(
    arguments: tuple[str, str], several: Path
) -> None:
    done = safechat("logs", str(several), *arguments)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert arguments[1] in done.stderr


def test_the_groups_are_the_models(several: Path) -> None:
    groups = summary_of(several)["groups"]
    assert {name: (group["calls"], group["errors"]) for name, group in groups.items()} == {
        "a": (4, 1),
        "b": (2, 1),
    }
    assert groups["a"]["tokens"]["prompt_tokens"] == 10
    assert groups["a"]["p95_ms"] == pytest.approx(100, rel=0.01)


def test_the_first_piece_and_the_tokens_a_second_are_in_the_summary(tmp_path: Path) -> None:
    log = tmp_path / "streams.log"
    log.write_text(
        "".join(call(number, first_piece_ms=number * 10, tokens_per_s=number) for number in range(1, 101))
        + call(101, model="b"),
        encoding="utf-8",
    )
    summary = summary_of(log)
    assert summary["first_piece_p50_ms"] == pytest.approx(500, rel=0.01)
    assert summary["first_piece_p95_ms"] == pytest.approx(950, rel=0.01)
    assert summary["tokens_per_s"] == pytest.approx(50, rel=0.01)
    assert summary["groups"]["a"]["first_piece_p95_ms"] == pytest.approx(950, rel=0.01)
    assert summary["groups"]["b"]["tokens_per_s"] is None
    screen = safechat("logs", str(log)).stdout
    assert re.search(r"first piece p50 / p95 +(49|50)\d / 9\d\d ms", screen)
    assert re.search(r"tokens a second +(49|50)\.\d \(median\)", screen)


def test_the_groups_are_the_values_of_any_field(several: Path) -> None:
    assert list(summary_of(several, "--by", "tenant")["groups"]) == ["x", "y", "[red]"]
    assert list(summary_of(several, "--by", "stream")["groups"]) == ["–", "true"]
    assert "[red]" in safechat("logs", str(several), "--by", "tenant").stdout


def test_groups_without_end_need_bounded_memory() -> None:
    summary = LogSummary(by="call_id")
    for number in range(3000):
        summary.add(call(number))
    assert summary.calls == 3000
    assert len(summary.groups) == 1001
    assert summary.groups[OTHERS].calls == 2000


def test_the_failed_calls_are_named_by_their_ids(several: Path) -> None:
    assert summary_of(several)["failed"] == [
        {"call_id": f"{600:016x}", "outcome": "timed_out", "model": "a"},
        {"call_id": f"{2400:016x}", "outcome": "server_error", "model": "b"},
    ]


@pytest.mark.parametrize("columns", ["40", "80", "200"])
def test_a_screen_of_any_width_holds_every_id_and_number_whole(columns: str, several: Path) -> None:
    done = safechat("logs", str(several), environment={"COLUMNS": columns})
    assert all(len(line) <= int(columns) for line in done.stdout.splitlines())
    assert "\x1b" not in done.stdout
    assert "…" not in done.stdout.split("\n", 2)[2]
    for words in (f"{600:016x}", f"{2400:016x}", "timed_out", "66.67%"):
        assert words in done.stdout


def test_in_a_pipe_no_line_is_cut(tmp_path: Path) -> None:
    log = tmp_path / "long.log"
    log.write_text(call(0, outcome="timed_out", model="a-name-of-a-model-" * 5), encoding="utf-8")
    assert "a-name-of-a-model-" * 5 in safechat("logs", str(log)).stdout


def test_the_bars_show_when_calls_failed(several: Path) -> None:
    rows = [line for line in safechat("logs", str(several)).stdout.splitlines() if set(line) & set("▁█")]
    calls, errors = (row[8:] for row in rows)
    assert [place for place, bar in enumerate(calls) if bar == "█"] == [0, 10, 19, 28, 38, 57]
    assert [place for place, bar in enumerate(errors) if bar == "█"] == [10, 38]


def test_bars_over_any_time_have_a_bounded_number_of_columns() -> None:
    bars = Bars()
    for second in range(0, 1_000_000, 100):
        bars.add(1_800_000_000 + second, failed=second % 1000 == 0)
    seconds, calls, errors = bars.rows(50)
    assert len(calls) == len(errors) <= 50
    assert (sum(calls), sum(errors)) == (10_000, 1000)
    assert 1_000_000 / 50 <= seconds <= 1_000_000 / 20
    assert bars.rows(50) == (seconds, calls, errors)


def test_following_begins_again_where_the_file_was_cut(tmp_path: Path) -> None:
    path = tmp_path / "chat.log"
    path.write_text("1\n2\n", encoding="utf-8")
    lines = follow_lines(path, every=0)
    assert [next(lines) for _ in range(3)] == ["1\n", "2\n", None]
    path.write_text("3\n", encoding="utf-8")
    assert [next(lines) for _ in range(2)] == ["3\n", None]


def test_following_reads_what_came_before_a_rotation(tmp_path: Path) -> None:
    path = tmp_path / "chat.log"
    path.write_text("1\nİ", encoding="utf-8")
    lines = follow_lines(path, every=0)
    assert [next(lines) for _ in range(2)] == ["1\n", None]
    with path.open("a", encoding="utf-8") as file:
        file.write("2\n")
    path.rename(tmp_path / "chat.log.1")
    path.write_text("3\n", encoding="utf-8")
    assert [next(lines) for _ in range(3)] == ["İ2\n", "3\n", None]


def test_following_obeys_the_filters(several: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(_: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(time, "sleep", interrupted)
    done = safechat("logs", str(several), "--follow", "--where", "tenant=x")
    assert re.search(r"calls +3 +answered +100", done.stdout)


def test_a_torn_line_is_no_record() -> None:
    whole = '{"event": "chat.call", "call_id": "a1"}\n'
    torn = [whole[:30], "Traceback … a1\n", '["a1"]\n', "\n", whole.replace("a1", "b2")]
    assert list(records_with("a1", [*torn, whole])) == [{"event": "chat.call", "call_id": "a1"}]


@pytest.mark.parametrize(
    ("latencies", "shown"),
    [
        ((), "– / – / –"),
        ((100, 100, 900), r"(99|100) / (89|90)\d / (89|90)\d ms"),
        ((100, 100, 20_000), r"(99|100) ms / (19|20)\.\d s / (19|20)\.\d s"),
    ],
)
def test_a_unit_that_all_percentiles_have_is_written_once(
    tmp_path: Path, latencies: tuple[float, ...], shown: str
) -> None:
    log = tmp_path / "latencies.log"
    log.write_text("".join(call(0, latency_ms=ms) for ms in latencies), encoding="utf-8")
    assert re.search(f"p50 / p95 / p99 +{shown}  ", safechat("logs", str(log)).stdout)
