"""`pytest --submission DIR`: the steps' tests against a submission, as pytest shows tests.

A submission is not one package: each task is tested with the student's cell in its
own copy of the package. So the tests of a task run together in one limited process,
as `grade` runs them, and pytest then shows the outcome of each test as its own. Not
here: the options of pytest (pytest_plugin.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from odev.course.cells import TaskId
from odev.course.course import Course
from odev.grading.course_copies import copies
from odev.grading.grader import Grader
from odev.grading.junit import Run, StepTest
from odev.grading.result import TaskResult
from odev.instructor.submission import read_path


class NotPassed(Exception):
    """A test that did not pass; pytest shows its text alone, without a traceback."""


class JudgedSubmission:
    """A submission; each of its tasks is judged when its first test is asked for. Close it at the end."""

    def __init__(self, course: Course, path: Path, tests: Sequence[StepTest]) -> None:
        self._stack = ExitStack()
        wanted = {test.task for test in tests}
        tasks = [task for task in course.tasks if task.id in wanted]
        self._tasks = {task.id: task for task in tasks}
        self._grader = Grader(course, self._stack.enter_context(copies(course)), tasks, lambda: tests)
        self._submission = read_path(path)
        self._judged: dict[TaskId, tuple[TaskResult, Run | None]] = {}
        self.warnings = self._submission.warnings

    def message(self, test: StepTest) -> str:
        """Why this test did not pass; empty when it did."""
        id = test.task
        if id not in self._judged:
            self._judged[id] = self._grader.judge_with_run(self._tasks[id], self._submission.cells.get(id))
        result, run = self._judged[id]
        if result.passed or (run is not None and not run.tampered and test.nodeid in run.passed):
            return ""
        message = run.messages.get(test.nodeid, "") if run is not None and not run.tampered else ""
        return f"{result.task} {result.name}: {message or result.message}\nİpucu: {test.hint}"

    def close(self) -> None:
        self._stack.close()


class SubmissionItem(pytest.Item):
    """One test of the steps, with the outcome that it had in its task's own process."""

    def __init__(self, *, test: StepTest, judged: JudgedSubmission, **arguments: Any) -> None:
        super().__init__(**arguments)
        self._test = test
        self._judged = judged

    def runtest(self) -> None:
        message = self._judged.message(self._test)
        if message:
            raise NotPassed(message)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        if isinstance(excinfo.value, NotPassed):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, int, str]:
        return self.path, 0, self.name


def items_for(
    course: Course, path: Path, items: Sequence[pytest.Item], tests: Sequence[StepTest]
) -> tuple[JudgedSubmission, list[pytest.Item]]:
    """The same tests in the same order, as items that test the submission at this path."""
    judged = JudgedSubmission(course, path, tests)
    submission_items: list[pytest.Item] = [
        SubmissionItem.from_parent(item.parent, name=item.name, test=test, judged=judged)
        for item, test in zip(items, tests, strict=True)
        if item.parent is not None
    ]
    return judged, submission_items
