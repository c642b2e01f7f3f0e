"""What is counted of the calls in a log, in bounded memory: figures of a group, and calls over time.

Not here: which records count for what (logs.py).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from safechat.cost import CostSum

TOKENS = ("prompt_tokens", "completion_tokens", "cached_tokens", "reasoning_tokens")

# The logarithm of a bucket's width: percentiles are right to within 1 %.
_STEP = math.log(1.01)
_MOST_COLUMNS = 240  # that the bars are counted in


class Percentiles:
    """Counts numbers in buckets, for percentiles in bounded memory: milliseconds, or tokens a second."""

    def __init__(self) -> None:
        self._buckets: Counter[int] = Counter()
        self.count = 0
        self._least, self._most = math.inf, -math.inf

    def add(self, number: float) -> None:
        self._buckets[math.floor(math.log(max(number, 0.01)) / _STEP)] += 1
        self.count += 1
        self._least, self._most = min(self._least, number), max(self._most, number)

    def add_all(self, others: Percentiles) -> None:
        self._buckets.update(others._buckets)
        self.count += others.count
        self._least, self._most = min(self._least, others._least), max(self._most, others._most)

    def percentile(self, percent: float) -> float | None:
        """The number that `percent` of them do not exceed; None without numbers."""
        bucket = nearest_rank(self._buckets, percent)
        if bucket is None:
            return None
        return min(max(math.exp((bucket + 0.5) * _STEP), self._least), self._most)


def nearest_rank(counts: Mapping[int, int], percent: float) -> int | None:
    """The percentile: the smallest of the numbers that `percent` of all of them do not exceed.

    `counts` holds how often each number came, in any order: {120: 9, 900: 1} are nine times 120 and once 900.
    The result is one of the numbers, never one between two. None without numbers.
    """
    left = math.ceil(sum(counts.values()) * percent / 100)
    for number in sorted(counts):
        left -= counts[number]
        if left <= 0:
            return number
    return None


@dataclass
class Figures:
    """The calls of one group, such as one model's."""

    calls: int = 0
    answered: int = 0
    latencies: Percentiles = field(default_factory=Percentiles)
    first_pieces: Percentiles = field(default_factory=Percentiles)  # milliseconds, of streams
    speeds: Percentiles = field(default_factory=Percentiles)  # tokens a second
    tokens: Counter[str] = field(default_factory=Counter)
    costs: CostSum = field(default_factory=CostSum)

    def to_dict(self) -> dict[str, Any]:
        """They as plain values, for JSON."""
        return {
            "calls": self.calls,
            "errors": self.calls - self.answered,
            "p95_ms": rounded(self.latencies.percentile(95)),
            "first_piece_p95_ms": rounded(self.first_pieces.percentile(95)),
            "tokens_per_s": rounded(self.speeds.percentile(50)),
            "tokens": dict(self.tokens),
            "cost_usd": self.costs.total(),
        }


def rounded(value: float | None) -> float | None:
    return round(value, 1) if value is not None else None


class Bars:
    """Calls and errors over time, counted in columns that get wider as the time gets longer."""

    def __init__(self) -> None:
        self.seconds = 1  # of a column
        self._calls: Counter[int] = Counter()  # by column, which is seconds since the epoch // self.seconds
        self._errors: Counter[int] = Counter()

    def add(self, time: float, *, failed: bool) -> None:
        """One call. `time` is in seconds since the epoch."""
        column = int(time) // self.seconds
        self._calls[column] += 1
        if failed:
            self._errors[column] += 1
        if len(self._calls) > _MOST_COLUMNS:
            self.seconds *= 2
            self._calls, self._errors = _merged(self._calls, 2), _merged(self._errors, 2)

    def rows(self, most: int) -> tuple[int, list[int], list[int]]:
        """The seconds of a column, then calls and errors by column: at most so many, the oldest first."""
        if not self._calls:
            return self.seconds, [], []
        first, last, times = min(self._calls), max(self._calls), 1
        while last // times - first // times >= most:
            times *= 2
        calls, errors = _merged(self._calls, times), _merged(self._errors, times)
        columns = range(first // times, last // times + 1)
        return (
            self.seconds * times,
            [calls[column] for column in columns],
            [errors[column] for column in columns],
        )


def _merged(counts: Counter[int], times: int) -> Counter[int]:
    """The counts in columns that are `times` as wide."""
    merged: Counter[int] = Counter()
    for column, count in counts.items():
        merged[column // times] += count
    return merged
