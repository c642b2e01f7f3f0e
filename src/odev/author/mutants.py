"""Finds the mutants that a task's tests do not notice: each is a wrong answer that would get full points.

mutmut and cosmic-ray mutate the files of a package and run a project's suite where it stands; neither takes a
statement away or returns what should be raised. Here one definition is mutated, as an answer is graded: in a
copy of the package, by the tests of its task alone. So the mutations are our own (mutations.py).

A mutant that no test can notice stands in tests/equal_mutants.toml with the reason: that it does what the
reference does, or that the lesson does not ask for what it changes.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping

from odev.author.mutations import mutants_of
from odev.course.answer import SpliceError
from odev.course.course import Course, CourseError, Task
from odev.grading.course_copies import Copies
from odev.grading.limited_process import Limits
from odev.grading.steps import collect, run_tests

LIMITS = Limits()  # as an answer is graded


def equal_mutants(course: Course) -> dict[str, Mapping[str, str]]:
    """For each task's id, the changes that are marked as equal, with the reasons. CourseError for a file that
    is not right."""
    path = course.equal_mutants
    try:
        tasks = tomllib.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    except tomllib.TOMLDecodeError as error:
        raise CourseError(f"{path.name}: {error}") from None
    for id, reasons in tasks.items():
        if id not in {str(task.id) for task in course.tasks}:
            raise CourseError(f"{path.name}: there is no task {id}")
        if not isinstance(reasons, dict) or not all(isinstance(why, str) and why for why in reasons.values()):
            raise CourseError(f'{path.name}: {id} needs lines like "a < b → a <= b" = "the reason"')
    return tasks


def survivors(course: Course, package_copies: Copies, task: Task) -> list[str]:
    """The changes of the mutants that pass the task's tests. CourseError when the reference does not."""
    reference = package_copies.source(task)
    sources: dict[str, str] = {}
    for mutant in mutants_of(course.definition_in_src(task)):
        try:
            sources[mutant.change] = course.splice(task, reference, mutant.source)
        except SpliceError:
            continue  # Python cannot compile it, so every test would notice it
    tests = [test for test in collect(course, task.lesson) if test.task == task.id]

    def passes(source: str) -> bool:
        with package_copies.with_modules({task.file: source}) as copy:
            run = run_tests(copy, [task.id], LIMITS, "--exitfirst")
        return run.reported and run.failure(tests) is None  # the first canary ends a run that passes

    if not tests or not passes(reference):
        raise CourseError(f"task {task.id}: the reference does not pass")
    return [change for change, source in sources.items() if passes(source)]


def problems_of_mutants(course: Course, package_copies: Copies, task: Task) -> list[str]:
    """Survivors that are not marked as equal, and marks that no survivor has."""
    try:
        marked = equal_mutants(course).get(str(task.id), {})
        left = survivors(course, package_copies, task)
    except CourseError as error:
        return [str(error)]
    return [
        *(f"task {task.id}: no test notices the mutant  {change}" for change in left if change not in marked),
        *(
            f"{course.equal_mutants.name}: task {task.id}: no such mutant survives: {change}"
            for change in marked
            if change not in left
        ),
    ]
