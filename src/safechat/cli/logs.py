"""Reads a log that configure_logging wrote: a summary for an operator, and the timeline of one call.

In bounded memory, whatever the file's size and whatever is in it. A line that is torn, or of another
program, is counted and skipped. Not here: the screens (screens.py).
"""

from __future__ import annotations

import glob
import gzip
import heapq
import json
import math
import os
import re
import time
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TextIO

from safechat.cost import CostSum

# How many of the slowest calls a summary lists.
_SLOWEST = 5
_TOKENS = ("prompt_tokens", "completion_tokens", "cached_tokens", "reasoning_tokens")
# The logarithm of a bucket's width: percentiles are right to within 1 %.
_STEP = math.log(1.01)

# Characters of a line. A longer one is none of ours.
LONGEST_LINE = 1_000_000
# Characters of a name in a summary, and names of one kind; further ones are counted together.
_LONGEST_NAME, _MOST_NAMES = 200, 1000
_OTHERS = "(others)"
# Records in the timeline of one call.
_LONGEST_TIMELINE = 10_000
# A larger number in a log is not believed.
_MOST = 1e12

LogLine = dict[str, Any]  # the fields of one record


class Latencies:
    """Counts latencies in buckets, for percentiles in bounded memory. In milliseconds."""

    def __init__(self) -> None:
        self._buckets: Counter[int] = Counter()
        self.count = 0

    def add(self, milliseconds: float) -> None:
        self._buckets[math.floor(math.log(min(max(milliseconds, 0.01), _MOST)) / _STEP)] += 1
        self.count += 1

    def percentile(self, percent: float) -> float | None:
        """The latency that `percent` of the calls did not exceed; None without calls."""
        left = math.ceil(self.count * percent / 100)
        for bucket in sorted(self._buckets):
            left -= self._buckets[bucket]
            if left <= 0:
                return math.exp((bucket + 0.5) * _STEP)
        return None


@dataclass
class LogSummary:
    """The calls in a log, counted. Times are in milliseconds."""

    lines: int = 0
    foreign: int = 0
    calls: int = 0
    answered: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    latencies: Latencies = field(default_factory=Latencies)
    retries: int = 0
    fallbacks: int = 0
    waited_ms: float = 0.0
    tokens: Counter[str] = field(default_factory=Counter)
    costs: CostSum = field(default_factory=CostSum)
    errors: Counter[str] = field(default_factory=Counter)
    slowest: list[tuple[float, str, str]] = field(default_factory=list)
    first: str | None = None
    last: str | None = None
    lost: int = 0
    priced: set[tuple[str, str]] = field(default_factory=set)

    def add(self, text: str) -> None:
        """One line of the file."""
        self.lines += 1
        line = parse_line(text)
        if line is None:
            self.foreign += 1
            return
        if isinstance(moment := line.get("time"), str):
            self.first = self.first or _name(moment)
            self.last = _name(moment)
        match line["event"]:
            case "chat.call":
                self._add_call(line)
            case "chat.attempt_failed":
                status = f" {line['status']}" if line.get("status") else ""
                _count(self.errors, f"{line.get('model')}: {line.get('kind')}{status}")
                self._add_tokens(line)
            case "keys.stale" | "keys.failed":
                _count(self.errors, f"{line.get('source')}: {line.get('kind')}")
            case "chat.retry":
                self.retries += 1
            case "chat.fallback":
                self.fallbacks += 1
            case "chat.limited":
                self.waited_ms += _number(line.get("wait_ms"))
            case "log.lost":
                self.lost += int(_number(line.get("records")))

    def to_dict(self) -> dict[str, Any]:
        """The summary as plain values, for JSON."""
        percentiles = {f"p{percent}_ms": self.latencies.percentile(percent) for percent in (50, 95, 99)}
        return {
            "first": self.first,
            "last": self.last,
            "calls": self.calls,
            "answered": self.answered,
            "success_rate": self.answered / self.calls if self.calls else None,
            **{name: round(value, 1) if value is not None else None for name, value in percentiles.items()},
            "retries": self.retries,
            "fallbacks": self.fallbacks,
            "waited_ms": self.waited_ms,
            "tokens": dict(self.tokens),
            "cost_usd": self.costs.total(),
            "outcomes": dict(self.outcomes),
            "errors": dict(self.errors.most_common(10)),
            "slowest": [
                {"latency_ms": latency, "call_id": call_id, "model": model}
                for latency, call_id, model in sorted(self.slowest, reverse=True)
            ],
            "lines": self.lines,
            "foreign": self.foreign,
            "lost": self.lost,
        }

    def _add_call(self, line: LogLine) -> None:
        self.calls += 1
        outcome = str(line.get("outcome"))
        _count(self.outcomes, outcome)
        self.answered += outcome == "ok"
        latency = _number(line.get("latency_ms"))
        self.latencies.add(latency)
        self._add_tokens(line)
        slow = (latency, _name(line.get("call_id")), _name(line.get("model")))
        if len(self.slowest) < _SLOWEST:
            heapq.heappush(self.slowest, slow)
        else:
            heapq.heappushpop(self.slowest, slow)

    def _add_tokens(self, line: LogLine) -> None:
        """Those of an answer. One that failed is billed too: its tokens are in `chat.attempt_failed`."""
        counts = {name: int(_number(line.get(name))) for name in _TOKENS if name in line}
        if counts:
            self.tokens.update(counts)
            prompt, completion, cached = (counts.get(name, 0) for name in _TOKENS[:3])
            target = (_name(line.get("host")), _name(line.get("answered_by")))
            if target in self.priced or len(self.priced) < _MOST_NAMES:
                self.priced.add(target)
                self.costs.add(*target, prompt, completion, cached)


def parse_line(text: str) -> LogLine | None:
    """The record in a line of a log; None if the line holds none of ours."""
    try:
        line = json.loads(text)
    except (ValueError, RecursionError):  # the second one for '[[[[…'
        return None
    return line if isinstance(line, dict) and isinstance(line.get("event"), str) else None


def call_timeline(lines: Iterable[str], call_id: str) -> list[tuple[float, LogLine]]:
    """The first records of one call, with the seconds since the first of them."""
    timeline: list[tuple[float, LogLine]] = []
    first: datetime | None = None
    for text in lines:
        if call_id not in text or len(timeline) == _LONGEST_TIMELINE:
            continue
        line = parse_line(text)
        if line is None or line.get("call_id") != call_id:
            continue
        moment = _moment(line.get("time"))
        first = first or moment
        timeline.append(((moment - first).total_seconds() if moment and first else 0.0, line))
    return timeline


def read_lines(files: Iterable[Path]) -> Iterator[str]:
    """The lines of logs, one file after the other; one that ends in .gz is decompressed.

    Of a line that is too long, its beginning. A compressed file that is damaged ends there, with a torn line.
    """
    for path in files:
        with _reader(path) as file:
            try:
                yield from _whole_lines(file)
            except (EOFError, zlib.error, gzip.BadGzipFile):
                yield ""


def oldest_first(files: Iterable[Path]) -> list[Path]:
    """`files`, with the numbers that a rotation gave them going down: chat.log.2.gz, chat.log.1, chat.log."""
    return sorted(files, key=lambda path: -_rotation(path.name))


def rotated_files(path: Path) -> list[Path]:
    """The files that a rotation made of this one: chat.log.1, chat.log.2.gz, …"""
    return [
        other
        for other in path.parent.glob(f"{glob.escape(path.name)}.*")
        if re.fullmatch(r"\.\d+(\.gz)?", other.name.removeprefix(path.name))
    ]


def _rotation(name: str) -> int:
    """The number of a rotated file; 0 for the one that is written to."""
    match = re.search(r"\.(\d{1,9})(\.gz)?$", name)
    return int(match[1]) if match else 0


def _reader(path: Path) -> TextIO:
    if path.suffix == ".gz":
        return gzip.open(path, "rt", encoding="utf-8", errors="replace", newline="\n")
    return path.open(encoding="utf-8", errors="replace", newline="\n")


def _whole_lines(file: TextIO) -> Iterator[str]:
    while line := file.readline(LONGEST_LINE):
        yield line
        while line and not line.endswith("\n"):  # the rest of a line that is too long
            line = file.readline(LONGEST_LINE)


def _moment(time: object) -> datetime | None:
    """The time of a record; None where it is no ISO 8601 time. A time without a zone is taken for UTC."""
    if not isinstance(time, str):
        return None
    try:
        moment = datetime.fromisoformat(time)
    except ValueError:
        return None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


def follow_lines(path: Path, *, every: float = 0.5) -> Iterator[str | None]:
    """The lines of a file, for ever: those that are there, then new ones. None when there is no new line;
    then it waits `every` seconds. After a rotation it goes on with the new file."""
    file: TextIO | None = None
    part = ""
    while True:
        file = file or _opened(path)
        piece = file.readline(LONGEST_LINE) if file is not None else ""
        part = (part + piece)[: LONGEST_LINE + 1]
        if piece.endswith("\n"):
            yield part
            part = ""
        if piece:
            continue
        if file is not None and _was_replaced(file, path):
            file.close()
            file = None
            continue
        yield None
        time.sleep(every)


def _opened(path: Path) -> TextIO | None:
    try:
        return path.open(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return None


def _was_replaced(file: TextIO, path: Path) -> bool:
    try:
        return os.stat(path).st_ino != os.fstat(file.fileno()).st_ino
    except FileNotFoundError:
        return False


def _number(value: object) -> float:
    """A number from a log; 0 for one that cannot be."""
    return float(value) if isinstance(value, int | float) and 0 <= value <= _MOST else 0.0


def _name(value: object) -> str:
    return str(value)[:_LONGEST_NAME]


def _count(counts: Counter[str], name: str) -> None:
    name = _name(name)
    counts[name if name in counts or len(counts) < _MOST_NAMES else _OTHERS] += 1
