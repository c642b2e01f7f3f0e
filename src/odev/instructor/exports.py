"""Writes the marks of a class: a CSV for a spreadsheet, a JSON for programs.

Not here: platforms' own files (platforms.py, gradescope.py, classroom50.py), the table
for a person (gradebook.py), what a student gets (feedback.py).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from pathlib import Path

from odev.course.files import replace_text
from odev.instructor.csv_files import write_for_spreadsheet
from odev.instructor.marks import Mark, TakenExam


def write_csv(path: Path, marks: Sequence[Mark], *, turkish: bool = False) -> None:
    """Write a line for each submission, a column for each task (`task 1.1`: a bare 1.1 would become the first
    of January), and two at the end for the exam where it was taken. `turkish` is for Excel in Turkish."""
    tasks = [f"task {result.task}" for result in marks[0].graded.results] if marks else []
    exams = ["exam", "exam reasons"] if any(mark.exam for mark in marks) else []
    header = ["name", "score", "points", *tasks, "days late", "handed in", "reasons", "warnings", *exams]
    rows: list[list[object]] = [[*header]]
    for mark in marks:
        texts = [_time(mark.graded.submission.time), "; ".join(mark.reasons), "; ".join(mark.graded.warnings)]
        rows.append([mark.name, mark.score, mark.points, *mark.scores, mark.days, *texts, *_exam(mark.exam)])
    write_for_spreadsheet(path, rows, turkish=turkish)


def _exam(exam: TakenExam | None) -> list[object]:
    return [exam.score if exam.judged else "?", "; ".join(exam.reasons)] if exam is not None else []


def _time(seconds: float | None) -> str:
    return datetime.fromtimestamp(seconds).strftime("%Y-%m-%d %H:%M") if seconds else ""


def write_json(path: Path, marks: Sequence[Mark]) -> None:
    """Write a list of the submissions, each with its tasks."""
    grades = [
        {
            "name": mark.name,
            "score": mark.score,
            "points": mark.points,
            "days_late": mark.days,
            "lost": mark.lost,
            "warnings": mark.graded.warnings,
            **({"exam": asdict(mark.exam)} if mark.exam is not None else {}),
            "tasks": [
                {**asdict(result), "score": score}
                for result, score in zip(mark.graded.results, mark.scores, strict=True)
            ],
        }
        for mark in marks
    ]
    dump(path, grades)


def dump(path: Path, content: object) -> None:
    """Write it as JSON, into a folder that is made for it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    replace_text(path, json.dumps(content, ensure_ascii=False, indent=1) + "\n")
