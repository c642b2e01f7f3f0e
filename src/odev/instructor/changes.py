"""What changed since the last grading, by the grades.json that it left. Not here: what is graded again
(grade.py)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from odev.instructor.csv_files import number
from odev.instructor.marks import Mark


@dataclass(frozen=True, slots=True)
class Scores:
    """`exam` is None where it was not taken, or without a verdict."""

    tasks: float
    exam: float | None = None


def last_scores(grades: Path) -> dict[str, Scores] | None:
    """The points by name of the last grading; None when there was none, or its file is not right."""
    try:
        return {
            entry["name"]: Scores(float(entry["score"]), _exam_in(entry))
            for entry in json.loads(grades.read_text("utf-8"))
        }
    except (OSError, ValueError, LookupError, TypeError):
        return None


def _exam_in(entry: Mapping[str, Any]) -> float | None:
    exam = entry.get("exam")
    return float(exam["score"]) if exam and exam["judged"] else None


def changes(before: Mapping[str, Scores] | None, marks: Sequence[Mark]) -> list[str]:
    """A line for each student whose points changed, who is new, or who is not there any more (Turkish)."""
    if before is None:
        return []
    lines = []
    for mark in marks:
        last = before.get(mark.name)
        if last is None:
            lines.append(f"{mark.name}: yeni, {number(mark.score)} puan")
            continue
        if last.tasks != mark.score:
            lines.append(f"{mark.name}: {number(last.tasks)} → {number(mark.score)} puan")
        exam = mark.exam.score if mark.exam is not None and mark.exam.judged else None
        if last.exam is not None and exam is not None and last.exam != exam:
            lines.append(f"{mark.name}: sınav {last.exam:g} → {exam} puan")
    names = {mark.name for mark in marks}
    gone = {name: last for name, last in before.items() if name not in names}
    return lines + [f"{name}: artık yok ({number(last.tasks)} puandı)" for name, last in gone.items()]
