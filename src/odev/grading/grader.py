"""Judges task cells: each in its own process, by the tests of its task alone.

A task gives its points when all its tests pass, and never a part of them. A wrong
cell costs its own task and no other. This is not a sandbox: limited_process.py says
what that means. Not here: the usual mistakes (mistakes.py), a student's check, a
class's grades (student/, instructor/).
"""

from __future__ import annotations

import ast
import os
import re
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace

from odev.course.answer import SpliceError, answer_in, parse_cell
from odev.course.cells import TaskCell
from odev.course.course import Course, CourseError, Task
from odev.course.splice import definition, definition_in
from odev.grading.course_copies import Copies
from odev.grading.junit import Failure, Run, StepTest
from odev.grading.limited_process import Ended, Limits, no_more_runs
from odev.grading.mistakes import explained
from odev.grading.result import State, TaskResult, task_result
from odev.grading.steps import collect, run_tests
from odev.grading.turns import Turns
from odev.grading.unusual import own_trials, unusual_things

_STUB_ERROR = re.compile(r"NotImplementedError: ÖDEV (\d+\.\d+)")
_TEST_TOOLS = {"pytest", "_pytest", "pluggy", "unittest", "odev"}


class Grader:
    """Judges cells against one state of the course.

    `tests` is called only when the list is needed, because collecting takes a second. With `quick` the list
    that the run itself collected is used, if there is one: good enough for a student's check, not for a
    grade. A task without tests is a CourseError.
    """

    def __init__(
        self,
        course: Course,
        copies: Copies,
        tasks: Sequence[Task],
        tests: Callable[[], Sequence[StepTest]],
        limits: Limits | None = None,
        quick: bool = False,
    ) -> None:
        self._course = course
        self._copies = copies
        self._limits = limits or Limits()
        self._tests = tests
        self._quick = quick
        self._turns = Turns()
        self.tasks = tuple(tasks)

    def judge(self, task: Task, cell: TaskCell | None) -> TaskResult:
        """The result of the task with this cell as its answer."""
        return self.judge_with_run(task, cell)[0]

    def judge_with_run(self, task: Task, cell: TaskCell | None) -> tuple[TaskResult, Run | None]:
        """The same with the run of its tests; None when nothing was run.

        A missing cell is never run, so the reference cannot earn its points. Whatever judging a cell raises
        costs its task alone.
        """
        try:
            try:
                return self._judge(task, cell)
            except SystemError:  # of ast, in two threads at once: github.com/python/cpython/issues/106905
                return self._judge(task, cell)
        except CourseError:
            raise
        except SpliceError as error:
            return self._unrun(task, State.UNREADABLE, str(error)), None
        except Exception as error:
            reason = " ".join(f"{type(error).__name__}: {error}".split())
            message = _MESSAGES[State.UNJUDGED].format(reason=reason[:200])
            return self._unrun(task, State.UNJUDGED, message), None

    def _judge(self, task: Task, cell: TaskCell | None) -> tuple[TaskResult, Run | None]:
        if cell is None:
            return self._unrun(task, State.MISSING, f"{task.id} numaralı görev hücresi yok"), None
        if is_stub(cell.source, task):
            return self._unrun(task, State.UNWRITTEN, "henüz yazılmadı"), None
        if tools := _imported_test_tools(cell):
            message = f"cevabın içinde test aracı import ediliyor ({', '.join(tools)}): o satırı sil"
            return self._unrun(task, State.TAMPERED, message), None
        run = self._run_beside_others(task, cell)
        if run is None:
            with self._turns.alone():
                run = self._run(task, cell)
        original = self._copies.source(task)
        result = self._result(task, run)
        if result.crash is not None:
            result = replace(result, crash=result.crash.in_answer(cell.source))
        result = explained(result, cell.source, definition(original, task.name))
        notes = (*unusual_things(cell.source, original), *own_trials(cell.source))
        return replace(result, notes=notes), run

    def _run_beside_others(self, task: Task, cell: TaskCell) -> Run | None:
        """None for a run that may have failed only because of what else ran on this computer: it had no time,
        or another cell removed its files."""
        try:
            with self._turns.beside_others():
                run = self._run(task, cell)
        except OSError:
            return None
        return None if run.spoilt or run.ended in (Ended.WALL, Ended.BUSY) else run

    def _run(self, task: Task, cell: TaskCell) -> Run:
        with self._copies.changed(task, cell.source) as copy:
            return run_tests(copy, [task.id], self._limits)

    def _unrun(self, task: Task, state: State, message: str) -> TaskResult:
        return task_result(task, self._tests_of(task), state, message)

    def _result(self, task: Task, run: Run) -> TaskResult:
        tests = self._tests_of(task, run)
        if run.tampered:
            return task_result(task, tests, State.TAMPERED, _MESSAGES[State.TAMPERED])
        result = self._untampered_result(task, tests, run)
        passed = sum(test.nodeid in run.passed for test in tests)
        return replace(result, tests=len(tests), passed_tests=passed)

    def _untampered_result(self, task: Task, tests: Sequence[StepTest], run: Run) -> TaskResult:
        failure = run.failure(tests)
        if failure is None:
            return task_result(task, tests, State.PASSED)
        state, message = _why_failed(run, failure, self._limits)
        if state is State.BUSY or (state is State.TIME and not run.running):  # no test is to blame
            return task_result(task, tests, state, message)
        stub = _STUB_ERROR.match(failure.message)
        if stub is not None and stub[1] == str(task.id):
            state, message = State.UNWRITTEN, "bir parçası henüz yazılmadı"
        elif stub is not None:  # the hint is about this task and would mislead
            message = f"bunun için önce {stub[1]} numaralı görev gerekiyor"
            return task_result(task, tests, State.FAILED, message)
        result = task_result(task, tests, state, message, failure.test)
        return replace(result, crash=failure.crash) if state is State.CRASHED else result

    def _tests_of(self, task: Task, run: Run | None = None) -> list[StepTest]:
        tests: list[StepTest] = []
        if self._quick and run is not None and not run.broken:
            tests = [test for test in run.listed if test.task == task.id]
        tests = tests or [test for test in self._tests() if test.task == task.id]
        if not tests:
            raise _no_tests(self._course, task)
        return tests


def reference_grader(
    course: Course, copies: Copies, lessons: Sequence[int] = (), limits: Limits | None = None
) -> Grader:
    """A grader for these lessons, by default for all. CourseError unless the reference passes every test."""
    tests = collect(course, *lessons)
    long = replace(limits or Limits(), seconds=120)
    with copies.with_modules({}) as copy:
        run = run_tests(copy, {test.task for test in tests}, long)
    failure = run.failure(tests)
    if failure is not None or run.tampered:
        reason = f"{failure.test.nodeid}: {failure.message}" if failure else "a canary passes"
        reason += "" if run.ended is Ended.ITSELF else f" (ended by its limit: {run.ended})"
        output = "" if run.reported else f"\n{run.output[-2000:]}"
        raise CourseError(f"the reference in {course.src} does not pass: {reason}{output}")
    tasks = course.tasks_of(*lessons)
    for task in tasks:
        if all(test.task != task.id for test in tests):
            raise _no_tests(course, task)
    return Grader(course, copies, tasks, lambda: tests, limits)


def _no_tests(course: Course, task: Task) -> CourseError:
    return CourseError(f"task {task.id} has no tests in {course.steps}")


@contextmanager
def judging_pool(jobs: int) -> Iterator[ThreadPoolExecutor]:
    """A pool for as many tasks at a time. When the block ends by an error (Ctrl-C is one), the runs end."""
    pool = ThreadPoolExecutor(jobs)
    try:
        yield pool
    except BaseException:
        with no_more_runs():
            pool.shutdown(cancel_futures=True)
        raise
    finally:
        pool.shutdown()


def default_jobs() -> int:
    """The number of tasks that are judged at the same time: a run that sleeps needs no processor."""
    return 1 + (os.cpu_count() or 1)


def is_stub(source: str, task: Task | TaskCell) -> bool:
    """Whether nothing is written yet: every function in the definition that is not a dunder
    raises the stub's NotImplementedError and does nothing else.
    """
    try:
        answer = definition_in(parse_cell(source), task.name)
    except SpliceError:
        return False  # the splice reports what is wrong with it
    functions = [
        node
        for node in (answer.body if isinstance(answer, ast.ClassDef) else [answer])
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (node is answer or not node.name.startswith("__") or any(map(_is_stubs_raise, node.body)))
    ]
    return bool(functions) and all(
        _is_stubs_raise(node.body[-1], str(task.id))
        and len(node.body) <= 1 + (ast.get_docstring(node) is not None)
        for node in functions
    )


def _is_stubs_raise(statement: ast.stmt, id: str = "") -> bool:
    """Whether it is `raise NotImplementedError("ÖDEV 1.2")`, of this task or of any. It looks at the tree,
    for `ast.unparse` fails in a long expression."""
    match statement:
        case ast.Raise(
            exc=ast.Call(
                func=ast.Name(id="NotImplementedError"), args=[ast.Constant(value=str(text))], keywords=[]
            ),
            cause=None,
        ):
            return text == f"ÖDEV {id}" if id else text.startswith("ÖDEV ")
    return False


def _imported_test_tools(cell: TaskCell) -> list[str]:
    """The test libraries that the answer imports; the package's own code needs none. The student's own trials
    in the cell may: they do not belong to the answer."""
    try:
        answer = answer_in(parse_cell(cell.source), cell.name)
    except SpliceError:
        return []  # the splice reports what is wrong with it
    tools: set[str] = set()
    for node in ast.walk(ast.Module(answer, [])):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names = [node.module or ""]
        roots = {name.partition(".")[0] for name in names}
        if node in answer:
            roots.discard("odev")  # the lesson's own first line, which the splice leaves out
        tools |= roots & _TEST_TOOLS
    return sorted(tools)


def _why_failed(run: Run, failure: Failure, limits: Limits) -> tuple[State, str]:
    if run.ended is not Ended.ITSELF:
        state = State.TIME if run.ended is Ended.WALL else State(run.ended.value)
        seconds = limits.seconds if run.ended is Ended.TIME else limits.wall
        return state, _MESSAGES[state].format(seconds=seconds, megabytes=limits.output // 1_000_000)
    if not run.reported:
        return State.DIED, _MESSAGES[State.DIED]
    if failure.message.startswith("MemoryError"):
        return State.MEMORY, _MESSAGES[State.MEMORY]
    state = State.CRASHED if failure.crash is not None else State.FAILED
    return state, failure.message or "test geçmedi"


_MESSAGES = {
    State.TIME: "{seconds:g} saniyede bitmedi: sonsuz döngü ya da hiç gelmeyen bir cevap olabilir",
    State.BUSY: "bilgisayar çok meşgul, testler {seconds:g} saniyede bitemedi; bu, kodun yanlış demek değil. "
    "Öteki programlar bitince yeniden dene.",
    State.MEMORY: "çok fazla bellek istedi",
    State.PROCESSES: "çok fazla process başlattı, hepsi kapatıldı",
    State.OUTPUT: "{megabytes} MB'tan fazla çıktı yazdı",
    State.DIED: "testler bitmeden process kapandı (os._exit ya da çökme)",
    State.UNJUDGED: "bu hücre puanlanamadı ({reason})",
    State.TAMPERED: "test aracına müdahale var: değiştirilmiş bir pytest ya da her şeye eşit bir nesne",
}
