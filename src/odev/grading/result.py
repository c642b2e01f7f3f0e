"""A task's result: its state and its points. Not here: how a cell is judged (grader.py)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from odev.course.course import CourseError, Task
from odev.grading.junit import Crash, StepTest


class State(StrEnum):
    """How the judging of one task ended.

    FAILED is a test that asked for something else, CRASHED an error that the student's own code raised.
    TIME is code that used up its seconds, BUSY a computer on which no test had begun when the time was over.
    UNJUDGED is a cell that the grader itself could not judge.
    """

    PASSED = "passed"
    FAILED = "failed"
    CRASHED = "crashed"
    UNWRITTEN = "unwritten"
    MISSING = "missing"
    UNREADABLE = "unreadable"
    TIME = "time"
    BUSY = "busy"
    MEMORY = "memory"
    PROCESSES = "processes"
    OUTPUT = "output"
    DIED = "died"
    TAMPERED = "tampered"
    UNJUDGED = "unjudged"


@dataclass(frozen=True, slots=True)
class TaskResult:
    """`message`, `hint` and `notes` are Turkish, for the student who wrote the cell.

    `hint` is that of the first test that did not pass; where the state is CRASHED it may be about something
    else. It is empty where no test can be blamed (BUSY, UNJUDGED). `more` is the second, longer hint. `tests`
    counts the task's tests and `passed_tests` those that passed. `notes` cost no points.
    """

    task: str
    name: str
    points: int
    state: State
    message: str = ""
    hint: str = ""
    more: str = ""
    test: str = ""
    crash: Crash | None = None
    tests: int = 0
    passed_tests: int = 0
    notes: tuple[str, ...] = ()

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
    result = TaskResult(str(task.id), task.full_name, points_of(tests), state, message)
    if test is None:
        return result
    return replace(result, hint=test.hint, more=test.more, test=test.nodeid.partition("::")[2])
