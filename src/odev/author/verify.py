"""Checks the course by running its tests: stubs fail, solutions pass, each wrong answer fails its own task.

A solution must pass beside the stubs of later tasks too: that is how a student's copy has it. All problems
are reported, not just the first. For each new task an author adds

- to the file of the lesson in tests/steps, about eight tests with
  `@pytest.mark.task("2.1", points=6, hint="…")`. They import the task's module in the test itself, and
  compare with `expect` of tests/.
- to tests/wrong_answers, six or more cells, named `2.1_` and what is wrong: the tag line, `# hint: …` with
  words of the hint that the student must see, then the cell. The first test that such a cell fails shows its
  hint, or that of a usual mistake, so the tests for a small mistake stand below those for a larger one.
- to tests/right_answers, three or more cells, named `2.1_` and their style, written as differently as
  students write: the tag line, then the cell. Each must get full points.
- to tests/equal_mutants.toml, for each mutant that `--mutants` still finds and that no fair test can notice,
  the reason. For any other survivor a test is missing.

While writing, `python -m odev verify --lesson 2` and then the same with `--mutants` are enough. Not here:
what can be seen without running the tests (inspection.py), mutants (mutants.py), whether the solutions'
notebooks are up to date (build.py).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from odev.author.inspection import RightAnswer, WrongAnswer, inspect
from odev.author.mutants import problems_of_mutants
from odev.course.answer import SpliceError
from odev.course.cells import TaskId
from odev.course.course import Course, Task
from odev.course.splice import definition
from odev.course.turkish import fold
from odev.grading.course_copies import Copies, copies
from odev.grading.grader import Grader, default_jobs, judging_pool
from odev.grading.junit import Failure, Run, StepTest
from odev.grading.limited_process import Limits
from odev.grading.mistakes import explained
from odev.grading.result import State, TaskResult
from odev.grading.steps import collect, run_tests

LIMITS = Limits(seconds=15)
_DOES_NOT_FIT = (SpliceError, LookupError, SyntaxError)

_Check = Callable[[], list[str]]


def verify(
    course: Course,
    lessons: Sequence[int] = (),
    *,
    wrong_answers: int = 1,
    right_answers: int = 0,
    mutants: bool = False,
    jobs: int | None = None,
    progress: Callable[[int], None] = lambda total: None,
    found: Callable[[str], None] = lambda problem: None,
) -> list[str]:
    """Every problem of these lessons, by default of all. `wrong_answers` and `right_answers` are the least
    numbers for each task. With `mutants`, those of the solutions must fail too.

    `progress` is called after each check with the number of all checks, `found` for each problem at once.
    """
    inspection = inspect(course, lessons, wrong_answers=wrong_answers, right_answers=right_answers)
    problems = list(inspection.problems)
    for problem in problems:
        found(problem)
    if inspection.broken:
        return problems
    tasks = inspection.tasks
    with copies(course, in_forks=True) as package_copies:
        verifier = _Verifier(course, package_copies, inspection.tests)
        checks: list[_Check] = [verifier.reference]
        for task in tasks:
            wrong = [answer for answer in inspection.answers if answer.task == task.id]
            right = [answer for answer in inspection.right_answers if answer.cell.id == task.id]
            checks.append(partial(verifier.answers, task, tasks, wrong, right))
        checks += [partial(verifier.students_copy, task) for task in tasks]
        if mutants:
            checks += [partial(problems_of_mutants, course, package_copies, task) for task in tasks]
        with judging_pool(jobs or default_jobs()) as pool:
            for problems_of_check in pool.map(lambda check: check(), checks):
                for problem in problems_of_check:
                    found(problem)
                problems += problems_of_check
                progress(len(checks))
    return problems


class _Verifier:
    """Checks that run the steps' tests against a copy of the package; each returns its problems."""

    def __init__(self, course: Course, package_copies: Copies, tests: Sequence[StepTest]) -> None:
        self._course = course
        self._copies = package_copies
        self._tests = tests

    def reference(self) -> list[str]:
        """The solutions pass every test."""
        if not self._tests:
            return []
        with self._copies.with_modules({}) as copy:
            run = run_tests(copy, {test.task for test in self._tests}, LIMITS)
        if not run.reported:
            return [f"the solutions' run ended early ({run.ended}) in {run.running}:\n{run.output[-2000:]}"]
        return [
            f"task {test.task}: the solution fails {test.nodeid}: {run.messages.get(test.nodeid, 'not run')}"
            for test in self._tests
            if test.nodeid not in run.passed
        ]

    def students_copy(self, task: Task) -> list[str]:
        """Where all later tasks are stubs, as in a student's copy, the task's solution passes; at the end of
        a lesson those of all tasks before it, too."""
        later = [one for one in self._course.tasks if one.id > task.id and one.id in self._course.stubs]
        if not later:
            return []  # that is the reference
        is_last = later[0].lesson != task.lesson
        tested = [one for one in self._course.tasks if one == task or (is_last and one.id < task.id)]
        try:
            run, failed = self._beside_stubs(later, tested)
        except _DOES_NOT_FIT as error:
            return [f"task {task.id}: the stubs of later tasks do not fit into src: {error}"]
        if not run.reported:
            return [
                f"task {task.id}: beside the later stubs its run ended early ({run.ended}) in {run.running}"
            ]
        blamed: dict[StepTest, TaskId] = {}
        for stub in later:
            if left := {test.task for test in failed - blamed.keys()}:
                _, alone = self._beside_stubs([stub], [self._course.task(id) for id in left])
                blamed |= dict.fromkeys(alone - blamed.keys(), stub.id)
        return [
            f"task {test.task}: the stub of {blamed.get(test, 'several later tasks')} breaks {test.nodeid}: "
            f"{run.messages.get(test.nodeid, run.broken)}"
            for test in sorted(failed, key=lambda test: (test.task, test.nodeid))
        ]

    def _beside_stubs(self, stubs: Sequence[Task], tested: Sequence[Task]) -> tuple[Run, set[StepTest]]:
        """The run of these tasks' tests where the first ones are stubs, and the tests that did not pass."""
        tests = {test for one in tested for test in collect(self._course, one.lesson) if test.task == one.id}
        with self._copies.stubbed(stubs) as copy:
            run = run_tests(copy, [one.id for one in tested], LIMITS)
        return run, {test for test in tests if test.nodeid not in run.passed}

    def answers(
        self, task: Task, tasks: Sequence[Task], wrong: Sequence[WrongAnswer], right: Sequence[RightAnswer]
    ) -> list[str]:
        """The task's stub, its wrong and its right answers do what they should."""
        if not self._tests_of(task):
            return []  # the inspection has reported that
        others = [
            other
            for other in tasks
            if other.lesson == task.lesson and other != task and self._tests_of(other)
        ]
        problems = self._of_stub(task)
        for answer in wrong:
            problems += self._of_wrong_answer(answer, task, others)
        for right_answer in right:
            problems += self._of_right_answer(right_answer, task)
        return problems

    def _of_stub(self, task: Task) -> list[str]:
        """The stub passes no test; a test that it passes tests nothing."""
        tests = self._tests_of(task)
        try:
            run = self._run(task, self._course.stubs[task.id], [task])
        except _DOES_NOT_FIT as error:
            return [f"task {task.id}: the stub does not fit into src: {error}"]
        if run.failure(tests) is None:
            return [f"task {task.id}: the stub passes"]
        return [
            f"task {task.id}: the stub passes {test.nodeid}" for test in tests if test.nodeid in run.passed
        ]

    def _of_wrong_answer(self, answer: WrongAnswer, task: Task, others: Sequence[Task]) -> list[str]:
        """It fails its task and shows its hint; every other task of the lesson passes beside it."""
        try:
            run = self._run(task, answer.source, (task, *others))
            if run.reported:
                runs_of_tasks = dict.fromkeys((task, *others), run)
            else:  # it has ended the run for all tasks, so each task gets its own run
                runs_of_tasks = {one: self._run(task, answer.source, [one]) for one in (task, *others)}
        except _DOES_NOT_FIT as error:
            return [f"{answer.name}: does not fit into src: {error}"]
        problems = self._problems_of_own_task(answer, task, runs_of_tasks[task])
        for other in others:
            failure = runs_of_tasks[other].failure(self._tests_of(other))
            if failure is not None:
                where = f"{failure.test.nodeid}: {failure.message}"
                problems.append(f"{answer.name}: fails task {other.id} too: {where}")
        return problems

    def _of_right_answer(self, answer: RightAnswer, task: Task) -> list[str]:
        """It gets the task's points, judged as a student's cell is."""

        grader = Grader(self._course, self._copies, [task], lambda: self._tests, LIMITS)
        result = grader.judge(task, answer.cell)
        if result.passed:
            return []
        return [f"{answer.name}: does not pass ({result.state}): {result.test} {result.message}"]

    def _run(self, task: Task, source: str, tested: Sequence[Task]) -> Run:
        """The tests of these tasks, in a process of their own, with this cell for the task."""
        with self._copies.changed(task, source) as copy:
            return run_tests(copy, [one.id for one in tested], LIMITS)

    def _problems_of_own_task(self, answer: WrongAnswer, task: Task, run: Run) -> list[str]:
        failure = run.failure(self._tests_of(task))
        if failure is None:
            return [f"{answer.name}: passes"]
        if run.tampered:
            return [f"{answer.name}: is taken for tampering"]
        hints = self._hints(answer, task, failure)
        if fold(answer.hint) not in fold(" ".join(hints)):
            shows = f"{failure.test.nodeid} shows {' and '.join(map(repr, hints))}"
            return [f"{answer.name}: fails without its hint {answer.hint!r}: {shows}"]
        return []

    def _hints(self, answer: WrongAnswer, task: Task, failure: Failure) -> list[str]:
        """The hint of the test, and that of a usual mistake, which a student sees in its place."""
        state = State.CRASHED if failure.crash is not None else State.FAILED
        hint = failure.test.hint
        result = TaskResult(str(task.id), task.name, 0, state, failure.message, hint, crash=failure.crash)
        original = definition(self._copies.source(task), task.name)
        return list(filter(None, dict.fromkeys((hint, explained(result, answer.source, original).hint))))

    def _tests_of(self, task: Task) -> list[StepTest]:
        return [test for test in self._tests if test.task == task.id]
