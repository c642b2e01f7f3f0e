"""What a log says: a summary of its calls for an operator, and the timeline of one call.

In bounded memory, whatever is in it. A line that is torn, or of another program, is counted and skipped.
Not here: the lines of the files (lines.py), which records are wanted (filters.py), what is counted of a call
(figures.py), the screens (screens.py).
"""

from __future__ import annotations

import heapq
import json
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from safechat.cli.figures import TOKENS, Bars, Figures, Percentiles, rounded
from safechat.cli.filters import Filter, LogLine, as_text, moment

_decode = json.JSONDecoder().decode  # json.loads looks at its options first, each time

_SLOWEST = 5  # calls that a summary lists
_FAILED = 10  # calls that failed, and that it lists
# Characters of a name in a summary, and names of one kind; further ones are counted together, as OTHERS.
_LONGEST_NAME, _MOST_NAMES = 200, 1000
OTHERS = "(others)"
# Sums of costs: one for each group, host and model. What comes after those has no price.
_MOST_PRICED = 10_000
LONGEST_TIMELINE = 10_000  # records of one call that are shown
_MOST = 1e12  # a larger number in a log is not believed


@dataclass
class LogSummary:
    """The calls in a log that `filter` wants, counted, in groups by the field `by`. Times in milliseconds.

    A call counts in the group of its `chat.call`, the tokens of an answer that failed in that of its own
    record: by model, in that of the model that gave it.
    """

    filter: Filter = field(default_factory=Filter)
    by: str = "model"
    lines: int = 0
    foreign: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    groups: dict[str, Figures] = field(default_factory=dict)
    bars: Bars = field(default_factory=Bars)
    retries: int = 0
    fallbacks: int = 0
    waited_ms: float = 0.0
    errors: Counter[str] = field(default_factory=Counter)
    slowest: list[tuple[float, str, str]] = field(default_factory=list)
    failed: deque[tuple[str, str, str]] = field(default_factory=lambda: deque(maxlen=_FAILED))
    cached: int = 0
    budget: tuple[float, float] | None = None  # US dollars: spent when the last call ended, and a day's
    first: str | None = None
    last: str | None = None
    lost: int = 0

    def __post_init__(self) -> None:
        self._filters = self.filter != Filter()
        self._priced: set[tuple[str, str, str]] = set()  # group, host, model

    def add(self, text: str) -> None:
        """One line of the file."""
        self.lines += 1
        line = parse_line(text)
        if line is None:
            self.foreign += 1
            return
        if self._filters and not self.filter.wants(line):
            return
        if isinstance(at := line.get("time"), str):
            self.last = _name(at)
            self.first = self.first or self.last
        match line["event"]:
            case "chat.call":
                self._add_call(line)
            case "chat.attempt_failed":
                status = f" {_name(line['status'])}" if line.get("status") else ""
                _count(self.errors, f"{_name(line.get('model'))}: {_name(line.get('kind'))}{status}")
                if "prompt_tokens" in line:
                    self._add_tokens(self._group(line), line)
            case "keys.stale" | "keys.failed":
                _count(self.errors, f"{_name(line.get('source'))}: {_name(line.get('kind'))}")
            case "chat.retry":
                self.retries += 1
            case "chat.fallback":
                self.fallbacks += 1
            case "chat.limited":
                self.waited_ms += _number(line.get("wait_ms"))
            case "log.lost":
                self.lost += int(_number(line.get("records")))

    @property
    def calls(self) -> int:
        return sum(group.calls for group in self.groups.values())

    @property
    def answered(self) -> int:
        return sum(group.answered for group in self.groups.values())

    @property
    def tokens(self) -> Counter[str]:
        """Those of all groups."""
        total: Counter[str] = Counter()
        for group in self.groups.values():
            total.update(group.tokens)
        return total

    @property
    def cost_usd(self) -> float | None:
        """US dollars; None where nothing has a price."""
        costs = [group.costs.total() for group in self.groups.values()]
        known = [cost for cost in costs if cost is not None]
        return sum(known) if known else None

    @property
    def latencies(self) -> Percentiles:
        """Those of all groups, in milliseconds."""
        return _together(group.latencies for group in self.groups.values())

    @property
    def first_pieces(self) -> Percentiles:
        """Milliseconds until the first piece, of all streams."""
        return _together(group.first_pieces for group in self.groups.values())

    @property
    def speeds(self) -> Percentiles:
        """Tokens a second, of all answers."""
        return _together(group.speeds for group in self.groups.values())

    def ranked(self) -> list[tuple[str, Figures]]:
        """The groups, the one with most calls first."""
        return sorted(self.groups.items(), key=lambda item: -item[1].calls)

    def to_dict(self) -> dict[str, Any]:
        """The summary as plain values, for JSON."""
        calls, answered, latencies, first_pieces = (
            self.calls,
            self.answered,
            self.latencies,
            self.first_pieces,
        )
        return {
            "first": self.first,
            "last": self.last,
            "calls": calls,
            "answered": answered,
            "success_rate": answered / calls if calls else None,
            **{f"p{percent}_ms": rounded(latencies.percentile(percent)) for percent in (50, 95, 99)},
            **{
                f"first_piece_p{percent}_ms": rounded(first_pieces.percentile(percent))
                for percent in (50, 95)
            },
            "tokens_per_s": rounded(self.speeds.percentile(50)),
            "retries": self.retries,
            "fallbacks": self.fallbacks,
            "waited_ms": self.waited_ms,
            "cached": self.cached,
            "budget_spent_usd": self.budget and self.budget[0],
            "budget_usd_per_day": self.budget and self.budget[1],
            "tokens": dict(self.tokens),
            "cost_usd": self.cost_usd,
            "by": self.by,
            "groups": {name: group.to_dict() for name, group in self.ranked()},
            "outcomes": dict(self.outcomes),
            "errors": dict(self.errors.most_common(10)),
            "failed": [
                {"call_id": call_id, "outcome": outcome, "model": model}
                for call_id, outcome, model in self.failed
            ],
            "slowest": [
                {"latency_ms": latency, "call_id": call_id, "model": model}
                for latency, call_id, model in sorted(self.slowest, reverse=True)
            ],
            "lines": self.lines,
            "foreign": self.foreign,
            "lost": self.lost,
        }

    def _add_call(self, line: LogLine) -> None:
        outcome, model, call_id = (
            _name(line.get("outcome")),
            _name(line.get("model")),
            _name(line.get("call_id")),
        )
        failed = outcome != "ok"
        _count(self.outcomes, outcome)
        name = self._group(line)
        group = self.groups[name]
        group.calls += 1
        group.answered += not failed
        latency = _number(line.get("latency_ms"))
        group.latencies.add(latency)
        if (first_piece := _number(line.get("first_piece_ms"))) > 0:
            group.first_pieces.add(first_piece)
        if (speed := _number(line.get("tokens_per_s"))) > 0:
            group.speeds.add(speed)
        self._add_tokens(name, line)
        self.cached += line.get("cached") is True
        if (per_day := _number(line.get("budget_usd_per_day"))) > 0:
            self.budget = _number(line.get("budget_spent_usd")), per_day
        if (at := moment(line.get("time"))) is not None:
            self.bars.add(at.timestamp(), failed=failed)
        if failed:
            self.failed.append((call_id, outcome, model))
        if len(self.slowest) < _SLOWEST:
            heapq.heappush(self.slowest, (latency, call_id, model))
        elif latency > self.slowest[0][0]:
            heapq.heapreplace(self.slowest, (latency, call_id, model))

    def _group(self, line: LogLine) -> str:
        """The name of the record's group, which is there from then on."""
        name = _bounded(self.groups, _name(line.get(self.by)))
        if name not in self.groups:
            self.groups[name] = Figures()
        return name

    def _add_tokens(self, group: str, line: LogLine) -> None:
        """Those of an answer. One that failed is billed too: its tokens are in `chat.attempt_failed`."""
        counts = [int(_number(line.get(name))) for name in TOKENS]
        if not any(counts):
            return
        figures = self.groups[group]
        for name, count in zip(TOKENS, counts, strict=True):
            figures.tokens[name] += count
        host, model = _name(line.get("host")), _name(line.get("answered_by"))
        target = (group, host, model)
        if target not in self._priced:
            if len(self._priced) == _MOST_PRICED:
                return
            self._priced.add(target)
        figures.costs.add(host, model, *counts[:3])


def parse_line(text: str) -> LogLine | None:
    """The record in a line of a log; None if the line holds none of ours."""
    try:
        line = _decode(text)
    except (ValueError, RecursionError):  # the second one for '[[[[…'
        return None
    return line if isinstance(line, dict) and isinstance(line.get("event"), str) else None


def call_timeline(lines: Iterable[str], call_id: str) -> Iterator[tuple[float, LogLine]]:
    """The story of one call: its records in the lines' order, each after the seconds since the first.

    A record of the call has exactly this `call_id`. A line that is torn, or of another program, is
    skipped. A record whose time cannot be read has 0.0; so has each before the first that has a time.
    """
    first: datetime | None = None
    for record in records_with(call_id, lines):
        if record.get("call_id") == call_id:
            at = moment(record.get("time"))
            first = first or at
            yield seconds_between(first, at), record


def records_with(word: str, lines: Iterable[str]) -> Iterator[LogLine]:
    """The records whose lines hold `word` anywhere. What is torn, or of another program, is skipped."""
    for text in lines:
        # To look is quicker than to parse, and most lines are of other calls.
        if word in text and (record := parse_line(text)) is not None:
            yield record


def seconds_between(first: datetime | None, at: datetime | None) -> float:
    """0.0 where one of the two is not known."""
    return (at - first).total_seconds() if first and at else 0.0


def _together(parts: Iterable[Percentiles]) -> Percentiles:
    total = Percentiles()
    for part in parts:
        total.add_all(part)
    return total


def _number(value: object) -> float:
    """A number from a log; 0 for one that cannot be."""
    return value if (type(value) is int or type(value) is float) and 0 <= value <= _MOST else 0


def _name(value: object) -> str:
    return as_text(value)[:_LONGEST_NAME]


def _bounded(names: Mapping[str, object], name: str) -> str:
    """The name to count under: OTHERS where there are too many names already."""
    return name if name in names or len(names) < _MOST_NAMES else OTHERS


def _count(counts: Counter[str], name: str) -> None:
    counts[_bounded(counts, name[:_LONGEST_NAME])] += 1
