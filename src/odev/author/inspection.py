"""Finds what is wrong in the course's files without running the tests: pytest only collects them.

It looks at the tests' marks, the stubs' signatures and docstrings, the length of
the definitions, and the wrong and right answers. Not here: whether tests pass and fail as
they should (verify.py).
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from odev.course.answer import Definition, SpliceError, parse_cell
from odev.course.cells import TaskCell, TaskId, task_cell
from odev.course.course import Course, CourseError, Task
from odev.course.splice import definition_in, first_line
from odev.grading.grader import is_stub
from odev.grading.junit import StepTest
from odev.grading.result import points_of
from odev.grading.steps import collect
from odev.grading.stubs import script_problems, stub_problems

MOST_LINES = 40  # of a task's definition in src, from its first decorator to its end, docstrings included
_NAMED_WRONGLY = "{name}: is of task {id}, so its name must begin with {id}_"
_HINT = re.compile(r"#\s*hint:\s*(.+)")


@dataclass(frozen=True, slots=True)
class WrongAnswer:
    """One file of tests/wrong_answers. `hint` must be part of the hint that a student sees for it."""

    name: str
    task: TaskId
    hint: str
    source: str


@dataclass(frozen=True, slots=True)
class RightAnswer:
    """One file of tests/right_answers: a cell that must get its task's points."""

    name: str
    cell: TaskCell


@dataclass(frozen=True, slots=True)
class Inspection:
    """What was read, and every problem with it. When `broken`, nothing else was read and no test can run."""

    problems: tuple[str, ...]
    tasks: tuple[Task, ...] = ()
    tests: tuple[StepTest, ...] = ()
    answers: tuple[WrongAnswer, ...] = ()
    right_answers: tuple[RightAnswer, ...] = ()
    broken: bool = False


def inspect(
    course: Course, lessons: Sequence[int] = (), *, wrong_answers: int = 1, right_answers: int = 0
) -> Inspection:
    """Inspect these lessons, by default all. The last two are the least numbers for each task."""
    try:
        stubs = course.stubs
        tests = collect(course, *lessons)
    except CourseError as error:
        return Inspection((str(error),), broken=True)
    known = {task.id for task in course.tasks}
    tasks = tuple(task for task in course.tasks_of(*lessons) if task.id in stubs)
    answers, problems = _read_wrong_answers(course)
    rights, problems_of_rights = _read_right_answers(course)
    problems += problems_of_rights
    problems += _problems_of_tests(tasks, tests, known)
    problems += [*stub_problems(course, tests, lessons), *script_problems(course)]
    for task in tasks:
        problems += _problems_of_source(course, task)
        count = sum(answer.task == task.id for answer in answers)
        if count < wrong_answers:
            problems.append(f"task {task.id}: {count} wrong answers, {wrong_answers} at least")
        count = sum(answer.cell.id == task.id for answer in rights)
        if count < right_answers:
            problems.append(f"task {task.id}: {count} right answers, {right_answers} at least")
    named = [(answer.name, answer.task) for answer in answers]
    named += [(answer.name, answer.cell.id) for answer in rights]
    problems += [f"{name}: there is no task {id}" for name, id in named if id not in known]
    return Inspection(tuple(problems), tasks, tests, tuple(answers), tuple(rights))


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
            problems.append(_NAMED_WRONGLY.format(name=path.name, id=cell.id))
        elif is_stub(source, cell):
            problems.append(f"{path.name}: is the stub, not an answer")
        else:
            answers.append(WrongAnswer(path.name, cell.id, hint[1].strip(), source))
    return answers, problems


def _read_right_answers(course: Course) -> tuple[list[RightAnswer], list[str]]:
    answers: list[RightAnswer] = []
    problems: list[str] = []
    for path in sorted(course.right_answers.glob("*.py")):
        cell = task_cell(path.read_text(encoding="utf-8"))
        if cell is None:
            problems.append(f"{path.name}: needs a tag line")
        elif not path.name.startswith(f"{cell.id}_"):
            problems.append(_NAMED_WRONGLY.format(name=path.name, id=cell.id))
        else:
            answers.append(RightAnswer(path.name, cell))
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
        tests_of_task = [test for test in tests if test.task == task.id]
        if not tests_of_task:
            yield f"task {task.id}: has no tests"
            continue
        try:
            points_of(tests_of_task)
        except CourseError as error:
            yield f"task {task.id}: {error}"


def _problems_of_source(course: Course, task: Task) -> Iterator[str]:
    """The definition in src is too long, or the stub's signature or docstring is another one."""
    try:
        solution = course.definition_in_src(task)
    except CourseError as error:
        yield str(error)
        return
    lines = (solution.end_lineno or 0) - first_line(solution) + 1
    if lines > MOST_LINES:
        yield f"task {task.id}: {task.name} has {lines} lines in src, {MOST_LINES} at most"
    try:
        stub = definition_in(parse_cell(course.stubs[task.id]), task.name)
    except SpliceError as error:
        yield f"task {task.id}: the stub: {error}"
        return
    if stub is None:
        yield f"task {task.id}: the stub does not define {task.name}"
        return
    if _interface(stub) != _interface(solution):
        yield f"task {task.id}: the stub's signature or docstring is not that of {task.name} in src"
    if isinstance(solution, ast.ClassDef) and isinstance(stub, ast.ClassDef):
        yield from _problems_of_methods(task, _methods(stub), _methods(solution))


def _problems_of_methods(
    task: Task, stubs: dict[str, Definition], solutions: dict[str, Definition]
) -> Iterator[str]:
    for name, method in stubs.items():
        if name not in solutions or _interface(method) != _interface(solutions[name]):
            yield f"task {task.id}: the stub's {task.name}.{name} is not that of src"
    for name in solutions:
        if not name.startswith("_") and name not in stubs:
            yield f"task {task.id}: the stub has no {task.name}.{name}"


def _methods(node: ast.ClassDef) -> dict[str, Definition]:
    return {child.name: child for child in node.body if isinstance(child, Definition)}


def _interface(node: Definition) -> str:
    """All but the body: kind, name, decorators, arguments or bases, and the docstring."""
    bare = ast.parse(ast.unparse(node)).body[0]
    assert isinstance(bare, Definition)
    bare.body = [ast.Pass()]
    return f"{ast.unparse(bare)}\n{ast.get_docstring(node)}"
