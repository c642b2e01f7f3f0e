"""A task's result: its state and its points. Not here: how a cell is judged (grader.py)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from odev.course.course import CourseError, Task
from odev.grading.junit import StepTest


class State(StrEnum):
    PASSED = "passed"
    FAILED = "failed"
    UNWRITTEN = "unwritten"
    MISSING = "missing"
    UNREADABLE = "unreadable"
    TIME = "time"
    MEMORY = "memory"
    PROCESSES = "processes"
    OUTPUT = "output"
    DIED = "died"
    TAMPERED = "tampered"


@dataclass(frozen=True, slots=True)
class TaskResult:
    """`message` and `hint` are Turkish, for the student who wrote the cell."""

    task: str
    name: str
    points: int
    state: State
    message: str = ""
    hint: str = ""
    test: str = ""

    @property
    def passed(self) -> bool:
        return self.state is State.PASSED

    @property
    def score(self) -> int:
        return self.points if self.passed else 0


class Scored:
    """Adds up the points of `results`; what has results inherits it."""

    __slots__ = ()
    results: tuple[TaskResult, ...]

    @property
    def score(self) -> int:
        return sum(result.score for result in self.results)

    @property
    def points(self) -> int:
        return sum(result.points for result in self.results)


def points_of(tests: Iterable[StepTest]) -> int:
    """The points of the task that all these tests belong to. CourseError when the tests disagree."""
    points = {test.points for test in tests}
    if len(points) != 1:
        raise CourseError(f"the tests of one task disagree on its points: {sorted(points)}")
    return points.pop()


def task_result(
    task: Task, tests: Sequence[StepTest], state: State, message: str = "", test: StepTest | None = None
) -> TaskResult:
    """A result with the points of the task's tests, and with the name and the hint of the failed `test`."""
    hint, name = (test.hint, test.nodeid.partition("::")[2]) if test else ("", "")
    return TaskResult(str(task.id), task.full_name, points_of(tests), state, message, hint, name)
