"""From results to marks: points for a part of the tests, and points lost by days late.

Not here: the results (grade.py), taking the exam (exams.py). A mark never changes a result: it is made again
at each grading.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType

from odev.course.course import CourseError
from odev.grading.result import State, TaskResult
from odev.instructor.grade import Graded
from odev.instructor.roster import Student

_PARTLY = {State.FAILED, State.CRASHED}  # the tests ran to their end
_RATE = re.compile(r"%?\s*(\d+(?:[.,]\d+)?)\s*%?\s*(?:/\s*(?:gün|gun|day))?", re.IGNORECASE)
_DAY = 86_400
EXAM = "Sınav"  # its name among the tasks, in platforms' files


@dataclass(frozen=True, slots=True)
class Rules:
    """`partial`: a task gives points by its tests that passed. `late` is the part of the points that each
    day after `deadline` costs: 0.1 for 10%."""

    partial: bool = False
    late: float = 0.0
    deadline: datetime | None = None


@dataclass(frozen=True, slots=True)
class TakenExam:
    """`score` of `points`, and why it is not all of them (Turkish). `judged` is False where the computer was
    too busy to say."""

    score: int
    points: int
    reasons: tuple[str, ...] = ()
    judged: bool = True

    @property
    def passed(self) -> bool:
        return self.score == self.points


@dataclass(frozen=True, slots=True)
class Mark:
    """`scores` are the points of the tasks in their order, before the days late cost some of their sum.
    `exam` is None where none was asked for; its points are no part of the score."""

    graded: Graded
    scores: tuple[float, ...]
    days: int = 0
    lost: float = 0.0
    exam: TakenExam | None = None

    @property
    def name(self) -> str:
        return self.graded.name

    @property
    def points(self) -> int:
        return self.graded.points

    @property
    def score(self) -> float:
        return round(sum(self.scores) - self.lost, 2)

    @property
    def unread(self) -> tuple[str, ...]:
        """Why there is no cell of any task (Turkish); empty where there is one."""
        is_unread = all(result.state is State.MISSING for result in self.graded.results)
        return self.graded.submission.warnings if is_unread else ()

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why it is not all the points (Turkish)."""
        reasons = [*self.unread] or [
            f"{result.task}: {result.message or result.state}"
            for result in self.graded.results
            if not result.passed
        ]
        if self.lost:
            reasons.append(f"{self.days} gün geç: -{self.lost:g} puan")
        elif self.days:
            reasons.append(f"{self.days} gün geç")
        return tuple(reasons)


def late_rate(text: str) -> float:
    """The fraction that `10%/gün`, `%10/gün` or `10%` means. CourseError for anything else."""
    match = _RATE.fullmatch(text.strip())
    rate = float(match[1].replace(",", ".")) / 100 if match and "%" in text else -1.0
    if not 0 <= rate <= 1:
        raise CourseError(f"--late {text!r} olmaz; örnek: --late 10%/gün")
    return rate


def deadline_of(text: str) -> datetime:
    """The moment in `2026-11-20T18:00`, on this computer's clock; a date alone is the end of that day.
    CourseError for anything else."""
    try:
        moment = datetime.fromisoformat(text.strip())
        is_date = len(text.strip()) <= len("2026-11-20")
        moment = moment.replace(hour=23, minute=59, second=59) if is_date else moment
        moment.timestamp()
        return moment
    except (ValueError, OverflowError, OSError):  # the last two: of a year that this system's clock has not
        raise CourseError(f"--deadline {text!r} olmaz; örnek: --deadline 2026-11-20T23:59:59") from None


def mark_all(
    all_graded: Iterable[Graded],
    rules: Rules,
    students: Mapping[str, Student],
    exams: Mapping[str, TakenExam] = MappingProxyType({}),
) -> list[Mark]:
    """The marks in the same order. A student's days in the roster count before the files' times."""
    marks: list[Mark] = []
    for graded in all_graded:
        scores = tuple(_score(result, rules) for result in graded.results)
        student = students.get(graded.name)
        days = _days_late(graded, rules, student)
        lost = round(sum(scores) * min(1.0, rules.late * days), 2)
        marks.append(Mark(graded, scores, days, lost, exams.get(graded.name)))
    return marks


def _score(result: TaskResult, rules: Rules) -> float:
    if not rules.partial or result.state not in _PARTLY or not result.tests:
        return result.score
    return round(result.points * result.passed_tests / result.tests, 2)


def _days_late(graded: Graded, rules: Rules, student: Student | None) -> int:
    """Whole days; a day that has begun counts."""
    if student is not None and student.days is not None:
        return math.ceil(student.days)
    submission = graded.submission
    late = 0
    if rules.deadline is not None and submission.time is not None:
        late = max(0, math.ceil((submission.time - rules.deadline.timestamp()) / _DAY))
    marked = submission.upload is not None and submission.upload.late
    return max(late, int(marked))
