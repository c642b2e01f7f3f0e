"""What became of a task: its state and its points. Not here: how it is judged (grader.py)."""

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
    """`message` and `hint` are Turkish, for the one who wrote the cell."""

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


def points(tests: Iterable[StepTest]) -> int:
    """A task's points, as its tests tell. CourseError when they do not agree."""
    told = {test.points for test in tests}
    if len(told) != 1:
        raise CourseError(f"the tests of one task disagree on its points: {sorted(told)}")
    return told.pop()


def result(
    task: Task, tests: Sequence[StepTest], state: State, message: str = "", test: StepTest | None = None
) -> TaskResult:
    hint, name = (test.hint, test.nodeid.partition("::")[2]) if test else ("", "")
    return TaskResult(str(task.id), f"{task.module}.{task.name}", points(tests), state, message, hint, name)
