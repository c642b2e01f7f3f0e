"""What changed since the last grading, by the grades.json that it left. Not here: what is graded again
(grade.py)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from odev.instructor.csv_files import number
from odev.instructor.marks import Mark


def last_scores(grades: Path) -> dict[str, float] | None:
    """The points by name of the last grading; None when there was none, or its file is not right."""
    try:
        return {entry["name"]: float(entry["score"]) for entry in json.loads(grades.read_text("utf-8"))}
    except (OSError, ValueError, LookupError, TypeError):
        return None


def changes(before: dict[str, float] | None, marks: Sequence[Mark]) -> list[str]:
    """A line for each student whose points changed, who is new, or who is not there any more (Turkish)."""
    if before is None:
        return []
    lines = []
    for mark in marks:
        if mark.name not in before:
            lines.append(f"{mark.name}: yeni, {number(mark.score)} puan")
        elif before[mark.name] != mark.score:
            lines.append(f"{mark.name}: {number(before[mark.name])} → {number(mark.score)} puan")
    names = {mark.name for mark in marks}
    lines += [f"{name}: artık yok ({number(before[name])} puandı)" for name in before if name not in names]
    return lines
