"""Whether the lessons' stubs fit the steps' tests, so that no solution is given to students by mistake.

Not here: whether stubs fail and solutions pass (author/verify.py).
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator, Sequence

from odev.course.cells import TaskId, read_notebook
from odev.course.course import Course, CourseError
from odev.course.files import temporary_folder
from odev.grading.grader import is_stub
from odev.grading.junit import StepTest
from odev.grading.limited_process import clean_environment
from odev.grading.steps import collect

_LONGEST_SCRIPT = 60  # seconds
_TRACEBACK = re.compile(r'^  File "', re.MULTILINE)


def check_course(course: Course, lessons: Sequence[int] = ()) -> None:
    """CourseError with every problem of the stubs and of the safe script."""
    problems = [*stub_problems(course, collect(course, *lessons), lessons), *script_problems(course)]
    if problems:
        raise CourseError("\n".join(problems))


def stub_problems(course: Course, tests: Sequence[StepTest], lessons: Sequence[int] = ()) -> Iterator[str]:
    """A task of the tests without a stub, and a stub that is none, or that names another task."""
    for id in sorted({test.task for test in tests} - course.stubs.keys()):
        yield f"task {id}: its tests are there, but no lesson has its stub"
    names = [task.full_name for task in course.tasks]
    solved = _solved(course)
    for task in course.tasks_of(*lessons):
        if names.count(task.full_name) > 1 or solved.get(task.id, task.full_name) != task.full_name:
            where = f"its cell in {task.notebook.name}"
            yield f"task {task.id}: {where} names {task.full_name}, which is another task's"
        stub = course.stubs.get(task.id)
        if stub is not None and not is_stub(stub, task):
            yield (
                f"task {task.id}: its cell in {task.notebook.name} is no stub: every function in {task.name} "
                f'must raise NotImplementedError("ÖDEV {task.id}") and do nothing else'
            )


def _solved(course: Course) -> dict[TaskId, str]:
    """The definition that the solution's notebook has for each task."""
    return {
        cell.id: f"{cell.module}.{cell.name}"
        for path in sorted(course.solutions.glob("[0-9][0-9]_*.ipynb"))
        for cell in read_notebook(path.name, path.read_bytes()).cells
    }


def script_problems(course: Course) -> Iterator[str]:
    """The safe script, which the demo runs, ends with a traceback. Without a key and a network it must end
    with its own message."""
    path = course.solutions / "ask_question.py"
    if not path.is_file():
        return
    name = path.relative_to(course.root).as_posix()
    with temporary_folder() as folder:
        try:
            process = subprocess.run(
                [sys.executable, "-P", str(path)],
                cwd=folder,
                env=clean_environment(folder, [course.src]),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                encoding="utf-8",
                errors="replace",
                timeout=_LONGEST_SCRIPT,
                check=False,
            )
        except subprocess.TimeoutExpired:
            yield f"{name}: does not end in {_LONGEST_SCRIPT} s"
            return
    if _TRACEBACK.search(process.stderr):
        yield f"{name} is broken: {process.stderr.strip().splitlines()[-1]}"
