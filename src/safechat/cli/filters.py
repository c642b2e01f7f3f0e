"""Which records of a log are wanted: by their time, their model, and any of their fields.

Not here: reading the log (lines.py, logs.py).
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

LogLine = dict[str, Any]  # the fields of one record

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}  # in seconds
_EARLIEST = datetime.min.replace(tzinfo=UTC)
_AGO = re.compile(rf"(\d{{1,6}})([{''.join(_UNITS)}])")


@dataclass(frozen=True, slots=True)
class Filter:
    """Records from `since` on and before `until`, of `model`, with each of the fields in `where`."""

    since: datetime | None = None
    until: datetime | None = None
    model: str | None = None
    where: tuple[tuple[str, str], ...] = ()

    def wants(self, line: LogLine) -> bool:
        if self.model is not None and self.model not in (line.get("model"), line.get("answered_by")):
            return False
        if any(as_text(line.get(name)) != value for name, value in self.where):
            return False
        if self.since is None and self.until is None:
            return True
        time = moment(line.get("time"))
        if time is None:
            return False
        return (self.since is None or time >= self.since) and (self.until is None or time < self.until)


def as_text(value: object) -> str:
    """A field's value as a person writes it: a text as it is, anything else as in JSON; '–' for none.

    '…' for one that is nested too deeply to be written.
    """
    if value is None:
        return "–"
    if isinstance(value, str):
        return value
    try:
        return json.dumps(value, ensure_ascii=False)
    except RecursionError:
        return "…"


def moment(time: object) -> datetime | None:
    """The time of a record; None where it is no ISO 8601 time. A time without a zone is taken for UTC."""
    if not isinstance(time, str):
        return None
    try:
        parsed = datetime.fromisoformat(time)
    except ValueError:
        return None
    return parsed if parsed.tzinfo is not None else parsed.replace(tzinfo=UTC)


def read_moment(text: str, now: datetime) -> datetime:
    """'2026-11-25T03:00', '2026-11-25', or '2h', which is two hours before `now`. Raises ValueError."""
    if ago := _AGO.fullmatch(text):
        return now - min(timedelta(seconds=int(ago[1]) * _UNITS[ago[2]]), now - _EARLIEST)
    if (parsed := moment(text)) is None:
        raise ValueError(f"{text!r} is no time: write 2026-11-25T03:00 (in UTC), or 30m, 2h or 1d for ago")
    return parsed


def read_where(conditions: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """'trace_id=t-17' as ('trace_id', 't-17'). Raises ValueError."""
    pairs = [condition.partition("=") for condition in conditions]
    for condition, (name, equals, _) in zip(conditions, pairs, strict=True):
        if not name or not equals:
            raise ValueError(f"--where {condition!r} is no condition: write FIELD=VALUE")
    return tuple((name, value) for name, _, value in pairs)
