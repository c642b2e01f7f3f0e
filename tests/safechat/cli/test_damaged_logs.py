"""`safechat logs` over bad lines, endless lines, compressed and rotated files."""

from __future__ import annotations

import gzip
import json
import tracemalloc
from pathlib import Path

import pytest

from command import safechat
from safechat.cli import lines, logs
from safechat.cli.lines import follow_lines, oldest_first, read_lines
from safechat.cli.logs import LogSummary, call_timeline, parse_line

CALL = {
    "time": "2026-01-01T00:00:00.000Z", "event": "chat.call", "outcome": "ok", "model": "m",
    "answered_by": "m", "call_id": "c", "host": "h", "latency_ms": 10.0,
    "prompt_tokens": 5, "completion_tokens": 7,
}  # fmt: skip


def line(**fields: object) -> str:
    return json.dumps({**CALL, **fields}) + "\n"


@pytest.mark.parametrize(
    "bad",
    [
        line(prompt_tokens=-5, completion_tokens=-7),
        line(latency_ms=-1, prompt_tokens=0, completion_tokens=0),
        line(latency_ms=10**400, prompt_tokens=10**400, completion_tokens=0),
        line(latency_ms=1e308, prompt_tokens=1e308, completion_tokens=None),
        line(latency_ms=[], prompt_tokens="5", completion_tokens={}),
        line(time=17, prompt_tokens=0, completion_tokens=0, model=["m"], call_id={"a": 1}),
        '{"event": "chat.call", "latency_ms": NaN, "prompt_tokens": Infinity}\n',
    ],
)
def test_a_number_that_cannot_be_counts_as_nothing(bad: str) -> None:
    summary = LogSummary()
    for text in (line(), bad, line()):
        summary.add(text)
    assert (summary.calls, summary.tokens["prompt_tokens"], summary.tokens["completion_tokens"]) == (
        3,
        10,
        14,
    )
    json.dumps(summary.to_dict(), allow_nan=False)


@pytest.mark.parametrize("bad", ["[" * 200_000, '{"event": ' * 100_000, "1" * 5000, "\0" * 1000, "{", ""])
def test_what_is_no_record_is_counted_and_skipped(bad: str) -> None:
    assert parse_line(bad) is None


def test_a_screen_of_bad_lines_is_drawn(tmp_path: Path) -> None:
    path = tmp_path / "chat.log"
    path.write_text(
        line(time={}, model=None, latency_ms=1e308) + "[" * 200_000 + "\n" + line(outcome=[1]),
        encoding="utf-8",
    )
    done = safechat("logs", str(path))
    assert done.returncode == 0, done.stderr
    assert "3 lines, 1 of them torn or foreign" in done.stdout


def test_naive_and_aware_times_stand_in_one_timeline() -> None:
    lines = [
        line(time=f"2026-01-01T00:00:0{second}{zone}") for second, zone in enumerate(("Z", "", "+00:00"))
    ]
    assert [seconds for seconds, _ in call_timeline(lines, "c")] == [0.0, 1.0, 2.0]


def test_a_line_without_an_end_costs_itself_alone_and_little_memory(tmp_path: Path) -> None:
    path = tmp_path / "chat.log"
    with path.open("w", encoding="utf-8") as file:
        file.write(line())
        for _ in range(40):
            file.write("x" * 1_000_000)
        file.write("\n" + line())
    summary = LogSummary()
    summary.add(line())  # loads the price list
    tracemalloc.start()
    for text in read_lines([path]):
        summary.add(text)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (summary.calls, summary.foreign) == (3, 1)
    assert peak < 12_000_000


def test_names_without_end_need_bounded_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "_MOST_NAMES", 10)
    summary = LogSummary()
    for number in range(100):
        summary.add(line(outcome=f"o{number}", answered_by=f"m{number}"))
        summary.add(line(event="chat.attempt_failed", model=f"m{number}" * 1000))
    assert len(summary.outcomes) == len(summary.errors) == 11
    assert summary.outcomes["(others)"] == 90
    assert max(map(len, summary.errors)) <= 200


def test_costs_of_targets_without_end_need_bounded_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "_MOST_PRICED", 10)
    summary = LogSummary(by="tenant")
    for number in range(30):
        summary.add(line(tenant=f"t{number}", host="api.openai.com", answered_by="gpt-4o-mini"))
    priced = [group for group in summary.groups.values() if group.costs.total() is not None]
    assert (len(priced), summary.tokens["prompt_tokens"]) == (10, 150)


@pytest.mark.parametrize("depth", range(950, 1000))
def test_a_field_that_is_nested_deeply_costs_no_other_line(depth: int) -> None:
    summary = LogSummary(by="tenant")
    nested = "[" * depth + "]" * depth
    for text in (line(), f'{{"event": "chat.call", "outcome": {nested}, "tenant": {nested}}}', line()):
        summary.add(text)
    assert summary.answered == 2


def test_following_a_line_without_an_end_forgets_what_is_too_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lines, "LONGEST_LINE", 100)
    path = tmp_path / "chat.log"
    path.write_text("x" * 1000 + "\nshort\n", encoding="utf-8")
    followed = follow_lines(path, every=0)
    assert (len(next(followed) or ""), next(followed)) == (101, "short\n")


def test_compressed_rotated_and_several_files_are_read(tmp_path: Path) -> None:
    path = tmp_path / "chat.log"
    path.write_text(line(time="3"), encoding="utf-8")
    (tmp_path / "chat.log.1").write_text(line(time="2"), encoding="utf-8")
    with gzip.open(tmp_path / "chat.log.2.gz", "wt") as file:
        file.write(line(time="1"))
    (tmp_path / "chat.log.lock").write_text("", encoding="utf-8")
    rotated = json.loads(safechat("logs", str(path), "--rotated", "--json").stdout)
    named = json.loads(safechat("logs", *map(str, sorted(tmp_path.glob("chat.log*"))), "--json").stdout)
    for summary in (rotated, named):
        assert (summary["calls"], summary["first"], summary["last"]) == (3, "1", "3")


def test_filters_and_groups_are_those_of_all_files(tmp_path: Path) -> None:
    path = tmp_path / "chat.log"
    path.write_text(
        line(time="2026-01-01T03:00", model="a") + line(time="2026-01-01T03:01", model="b"), encoding="utf-8"
    )
    (tmp_path / "chat.log.1").write_text(line(time="2026-01-01T02:00", model="b"), encoding="utf-8")
    with gzip.open(tmp_path / "chat.log.2.gz", "wt") as file:
        file.write(line(time="2026-01-01T01:00", model="b") + line(time="2026-01-01T01:01", model="b"))
    arguments = ("--rotated", "--json", "--model", "b", "--since", "2026-01-01T01:01", "--by", "call_id")
    summary = json.loads(safechat("logs", str(path), *arguments).stdout)
    assert (summary["first"], summary["last"]) == ("2026-01-01T01:01", "2026-01-01T03:01")
    assert [group["calls"] for group in summary["groups"].values()] == [3]


def test_following_takes_a_line_that_a_rotation_tore_for_a_torn_one(tmp_path: Path) -> None:
    path = tmp_path / "chat.log"
    path.write_text("1\n2", encoding="utf-8")
    followed = follow_lines(path, every=0)
    assert [next(followed) for _ in range(2)] == ["1\n", None]
    path.rename(tmp_path / "chat.log.1")
    path.write_text("3\n", encoding="utf-8")
    assert [next(followed) for _ in range(3)] == ["2", "3\n", None]


def test_following_an_endless_line_goes_on_where_the_file_was_cut(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lines, "LONGEST_LINE", 100)
    path = tmp_path / "chat.log"
    path.write_text("x" * 1000, encoding="utf-8")
    followed = follow_lines(path, every=0)
    assert next(followed) is None
    path.write_text("3\n", encoding="utf-8")
    assert [next(followed) for _ in range(3)] == ["x" * 100, "3\n", None]


def test_rotated_files_are_read_oldest_first() -> None:
    names = ["a.log", "a.log.1", "a.log.10.gz", "a.log.2.gz"]
    assert [path.name for path in oldest_first(map(Path, names))] == [
        "a.log.10.gz", "a.log.2.gz", "a.log.1", "a.log",
    ]  # fmt: skip


def test_a_compressed_file_that_was_cut_gives_what_there_is(tmp_path: Path) -> None:
    path = tmp_path / "chat.log.1.gz"
    path.write_bytes(gzip.compress(b"".join(line(call_id=str(n)).encode() for n in range(5000)))[:-1000])
    summary = LogSummary()
    for text in read_lines([path]):
        summary.add(text)
    assert summary.calls > 100
    assert summary.foreign >= 1


def test_following_is_for_one_file(tmp_path: Path) -> None:
    done = safechat("logs", "a", "b", "--follow")
    assert (done.returncode, "one file" in done.stderr) == (2, True)


def test_records_that_were_lost_are_in_the_summary(tmp_path: Path) -> None:
    path = tmp_path / "chat.log"
    path.write_text(line() + line(event="log.lost", records=12, reason="not_written"), encoding="utf-8")
    assert json.loads(safechat("logs", str(path), "--json").stdout)["lost"] == 12
    assert "12 records were lost" in safechat("logs", str(path)).stdout
