"""Proof that the course holds: stubs fail, solutions pass, a wrong answer fails its task alone, by its hint.

Every problem is found and named, not just the first. Not here: what can be seen
without running anything (inspecting.py), whether the solutions' notebooks are up
to date (build.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

from odev.author.inspection import WrongAnswer, inspect
from odev.course.course import Course, Task
from odev.course.splice import SpliceError
from odev.grading.grader import default_jobs
from odev.grading.junit import Run, StepTest
from odev.grading.limited_process import Limits
from odev.grading.steps import Copies, copies, run

LIMITS = Limits(seconds=30)


def verify(
    course: Course,
    lessons: Sequence[int] = (),
    *,
    wrong_answers: int = 1,
    jobs: int | None = None,
    done: Callable[[int], None] = lambda total: None,
) -> list[str]:
    """Every problem of these lessons, of all without one. `wrong_answers` is the least for each task.

    `done` is called after each run with the number of all runs.
    """
    inspected = inspect(course, lessons, wrong_answers)
    problems = list(inspected.problems)
    if inspected.broken:
        return problems
    tasks, answers, stubs = inspected.tasks, inspected.answers, course.stubs
    with copies(course) as made:
        proof = _Proof(course, made, inspected.tests)
        runs: list[Callable[[], list[str]]] = [proof.reference]
        runs += [lambda task=task: proof.stub(task, stubs[task.id]) for task in tasks]  # type: ignore[misc]
        runs += [
            lambda answer=answer, task=task: proof.wrong(answer, task, tasks)  # type: ignore[misc]
            for task in tasks
            for answer in answers
            if answer.task == task.id
        ]

        def go(each: Callable[[], list[str]]) -> list[str]:
            try:
                return each()
            finally:
                done(len(runs))

        with ThreadPoolExecutor(jobs or default_jobs()) as pool:
            for found in pool.map(go, runs):
                problems += found
    return problems


class _Proof:
    """Runs of the steps' tests against copies that are right and wrong."""

    def __init__(self, course: Course, made: Copies, tests: Sequence[StepTest]) -> None:
        self._course = course
        self._copies = made
        self._tests = tests

    def reference(self) -> list[str]:
        """The solution passes, test by test."""
        if not self._tests:
            return []
        done = run(self._course, self._copies.unchanged, {test.task for test in self._tests}, LIMITS)
        if not done.reported:
            return [
                f"the solutions' run ended early ({done.ended}) in {done.running}:\n{done.output[-2000:]}"
            ]
        return [
            f"task {test.task}: the solution fails {test.nodeid}: {done.messages.get(test.nodeid, 'not run')}"
            for test in self._tests
            if test.nodeid not in done.passed
        ]

    def stub(self, task: Task, source: str) -> list[str]:
        """The stub as the lesson gives it fails, and passes no test: one that it passes tests nothing."""
        own = self._of(task)
        try:
            with self._copies.changed(task, source) as package:
                done = run(self._course, package, [task.id], LIMITS)
        except (SpliceError, LookupError) as error:
            return [f"task {task.id}: the stub does not fit into src: {error}"]
        if own and done.failure(own) is None:
            return [f"task {task.id}: the stub passes"]
        return [
            f"task {task.id}: the stub passes {test.nodeid}" for test in own if test.nodeid in done.passed
        ]

    def wrong(self, answer: WrongAnswer, task: Task, tasks: Sequence[Task]) -> list[str]:
        """It fails its task, shows its hint, and every other task of the lesson passes with it in place."""
        own = self._of(task)
        others = [each for each in tasks if each.lesson == task.lesson and each != task and self._of(each)]
        if not own:
            return []  # said already
        try:
            with self._copies.changed(task, answer.source) as package:
                every = [task.id, *(each.id for each in others)]
                done = run(self._course, package, every, LIMITS)
                if done.reported:
                    return [*self._own(answer, own, done), *self._others(answer, others, lambda _: done)]
                alone = run(self._course, package, [task.id], LIMITS)
                return [
                    *self._own(answer, own, alone),
                    *self._others(answer, others, lambda each: run(self._course, package, [each.id], LIMITS)),
                ]
        except (SpliceError, LookupError) as error:
            return [f"{answer.name}: does not fit into src: {error}"]

    def _own(self, answer: WrongAnswer, own: Sequence[StepTest], done: Run) -> list[str]:
        failure = done.failure(own)
        if failure is None:
            return [f"{answer.name}: passes"]
        if done.tampered:
            return [f"{answer.name}: is taken for tampering"]
        shown = failure.test.hint
        if answer.hint.casefold() not in shown.casefold():
            shows = f"{failure.test.nodeid} shows {shown!r}"
            return [f"{answer.name}: fails without its hint {answer.hint!r}: {shows}"]
        return []

    def _others(
        self, answer: WrongAnswer, others: Sequence[Task], done: Callable[[Task], Run]
    ) -> Iterator[str]:
        for each in others:
            failure = done(each).failure(self._of(each))
            if failure is not None:
                yield f"{answer.name}: fails task {each.id} too: {failure.test.nodeid}: {failure.message}"

    def _of(self, task: Task) -> list[StepTest]:
        return [test for test in self._tests if test.task == task.id]
