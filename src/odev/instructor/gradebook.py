"""The table of a whole class, for a terminal, in Turkish.

Not here: the table of one student (student/report.py).
"""

from __future__ import annotations

from collections.abc import Sequence

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from odev.grading.result import State
from odev.grading.signs import sign
from odev.grading.wording import shortened
from odev.instructor.csv_files import number
from odev.instructor.marks import Mark, TakenExam
from odev.instructor.plain_text import plain

_LONGEST_REASON = 100  # characters in the table; the CSV has it whole


def gradebook(marks: Sequence[Mark]) -> RenderableType:
    """A line for each submission with a sign for each task, a column for each lesson, and the first reason of
    missing points; below the lines what an instructor should look at."""
    table = Table(box=box.SIMPLE_HEAD, collapse_padding=True, pad_edge=False)
    table.add_column("teslim", overflow="fold")
    for lesson in _by_lesson(marks[0]) if marks else ():
        table.add_column(lesson, no_wrap=True)
    table.add_column("puan", justify="right", no_wrap=True)
    has_exam = any(mark.exam for mark in marks)
    if has_exam:
        table.add_column("sınav", justify="right", no_wrap=True)
    table.add_column("neden", overflow="fold")
    remarks: list[Text] = []
    for mark in marks:
        signs = [Text.assemble(*signs) for signs in _by_lesson(mark).values()]
        score = f"{number(mark.score)}/{mark.points}"
        exam = [_exam(mark.exam)] if has_exam else []
        table.add_row(Text(plain(mark.name)), *signs, score, *exam, Text(_reason(mark)))
        remarks += [Text(plain(f"{mark.name}: {warning}")) for warning in mark.graded.warnings]
    return Group(table, *remarks)


def _by_lesson(mark: Mark) -> dict[str, list[Text]]:
    """The signs of its tasks by the lesson's number."""
    lessons: dict[str, list[Text]] = {}
    for result in mark.graded.results:
        lessons.setdefault(result.task.partition(".")[0], []).append(sign(result.state).text())
    return lessons


def _exam(exam: TakenExam | None) -> str:
    return f"{exam.score}/{exam.points}" if exam is not None and exam.judged else "?"


def _reason(mark: Mark) -> str:
    """The first reason of something written, and how many there are."""
    late = f"{mark.days} gün geç; " if mark.days else ""
    results = [result for result in mark.graded.results if not result.passed]
    first = next((one for one in results if one.state not in (State.UNWRITTEN, State.MISSING)), None)
    if mark.unread:
        return plain(mark.unread[0])
    if first is None:
        missing = ", ".join(result.task for result in results)
        return plain(f"{late}{'yazılmamış: ' + missing if missing else ''}").rstrip("; ")
    more = f" (+{len(results) - 1})" if len(results) > 1 else ""
    return shortened(plain(f"{late}{first.task}: {first.message}"), _LONGEST_REASON) + more
