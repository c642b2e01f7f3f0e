"""What must hold for the course's files as written: tests' marks, stubs' promises, sizes, wrong answers.

Nothing but pytest's collection is run. Not here: whether tests pass and fail as
they should (verifying.py).
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from odev.course.cells import TaskId, task_cell
from odev.course.course import Course, CourseError, Task
from odev.course.splice import Definition, definition, first_line
from odev.grading.junit import StepTest
from odev.grading.result import points
from odev.grading.steps import collect

MOST_LINES = 40  # of a task's definition in src, docstrings not counted
_HINT = re.compile(r"#\s*hint:\s*(.+)")


@dataclass(frozen=True, slots=True)
class WrongAnswer:
    """One file of tests/wrong_answers: its cell, and words that the hint shown for it must hold."""

    name: str
    task: TaskId
    hint: str
    source: str


@dataclass(frozen=True, slots=True)
class Inspected:
    """What was read, and every problem with it. `broken`: so much is wrong that nothing can be run."""

    problems: tuple[str, ...]
    tasks: tuple[Task, ...] = ()
    tests: tuple[StepTest, ...] = ()
    answers: tuple[WrongAnswer, ...] = ()
    broken: bool = False


def inspect(course: Course, lessons: Sequence[int] = (), wrong_answers: int = 1) -> Inspected:
    """These lessons, all without one; each task needs at least so many wrong answers."""
    try:
        stubs = course.stubs
        tests = collect(course, *lessons)
    except CourseError as error:
        return Inspected((str(error),), broken=True)
    known = {task.id for task in course.tasks}
    tasks = tuple(task for task in course.tasks_of(*lessons) if task.id in stubs)
    answers, problems = _read_wrong_answers(course)
    problems += _problems_of_tests(tasks, tests, known)
    for task in tasks:
        problems += _problems_of_source(course, task)
        count = sum(answer.task == task.id for answer in answers)
        if count < wrong_answers:
            problems.append(f"task {task.id}: {count} wrong answers, {wrong_answers} at least")
    problems += [
        f"{answer.name}: there is no task {answer.task}" for answer in answers if answer.task not in known
    ]
    return Inspected(tuple(problems), tasks, tests, tuple(answers))


def _read_wrong_answers(course: Course) -> tuple[list[WrongAnswer], list[str]]:
    answers: list[WrongAnswer] = []
    problems: list[str] = []
    for path in sorted(course.wrong_answers.glob("*.py")):
        source = path.read_text(encoding="utf-8")
        cell = task_cell(source)
        hint = _HINT.fullmatch([*source.splitlines(), "", ""][1].strip())
        if cell is None or hint is None:
            problems.append(f"{path.name}: needs a tag line, then a line `# hint: …`")
        elif not path.name.startswith(f"{cell.id}_"):
            problems.append(f"{path.name}: is of task {cell.id}, so its name begins with {cell.id}_")
        else:
            answers.append(WrongAnswer(path.name, cell.id, hint[1].strip(), source))
    return answers, problems


def _problems_of_tests(tasks: Iterable[Task], tests: Sequence[StepTest], known: set[TaskId]) -> Iterator[str]:
    for test in tests:
        if test.task not in known:
            yield f"{test.nodeid}: there is no task {test.task}"
        if not test.hint.strip():
            yield f"{test.nodeid}: has no hint"
        if test.points < 1:
            yield f"{test.nodeid}: gives {test.points} points"
    for task in tasks:
        own = [test for test in tests if test.task == task.id]
        if not own:
            yield f"task {task.id}: has no tests"
            continue
        try:
            points(own)
        except CourseError as error:
            yield f"task {task.id}: {error}"


def _problems_of_source(course: Course, task: Task) -> Iterator[str]:
    """The definition in src is short enough, and the stub promises the same."""
    try:
        ours = course.definition_in_src(task)
    except CourseError as error:
        yield str(error)
        return
    try:
        stub = definition(course.stubs[task.id], task.name)
    except SyntaxError as error:
        yield f"task {task.id}: the stub does not parse: {error}"
        return
    lines = _lines_without_docstrings(ours)
    if lines > MOST_LINES:
        yield f"task {task.id}: {task.name} has {lines} lines in src, {MOST_LINES} at most"
    if stub is None:
        yield f"task {task.id}: the stub does not define {task.name}"
        return
    if _promise(stub) != _promise(ours):
        yield f"task {task.id}: the stub's signature or docstring is not that of {task.name} in src"
    if isinstance(ours, ast.ClassDef) and isinstance(stub, ast.ClassDef):
        yield from _problems_of_methods(task, _methods(stub), _methods(ours))


def _problems_of_methods(
    task: Task, stubs: dict[str, Definition], ours: dict[str, Definition]
) -> Iterator[str]:
    for name, method in stubs.items():
        if name not in ours or _promise(method) != _promise(ours[name]):
            yield f"task {task.id}: the stub's {task.name}.{name} is not that of src"
    for name in ours:
        if not name.startswith("_") and name not in stubs:
            yield f"task {task.id}: the stub has no {task.name}.{name}"


def _methods(node: ast.ClassDef) -> dict[str, Definition]:
    return {each.name: each for each in node.body if isinstance(each, Definition)}


def _promise(node: Definition) -> str:
    """Its first lines as Python sees them: kind, name, decorators, arguments or bases, and the docstring."""
    bare = ast.parse(ast.unparse(node)).body[0]
    assert isinstance(bare, Definition)
    bare.body = [ast.Pass()]
    return f"{ast.unparse(bare)}\n{ast.get_docstring(node)}"


def _lines_without_docstrings(node: Definition) -> int:
    lines = (node.end_lineno or 0) - first_line(node) + 1
    for each in ast.walk(node):
        if isinstance(each, Definition) and ast.get_docstring(each) is not None:
            lines -= (each.body[0].end_lineno or 0) - each.body[0].lineno + 1
    return lines
