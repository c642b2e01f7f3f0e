"""Points for tasks: each task's cell in a process of its own, judged by the tests of that task alone.

A task's points are given when all its tests pass, and not in part. What is
wrong with one cell costs that task and no other. It is a tripwire, not a
sandbox: sandbox.py says what that means. Not here: who asks, and how it is
shown (checking.py, submissions.py, report.py).
"""

from __future__ import annotations

import ast
import os
import re
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from odev.course.cells import TaskCell
from odev.course.course import Course, CourseError, Task
from odev.course.splice import SpliceError, definition
from odev.grading.junit import Run, StepTest
from odev.grading.limited_process import Ended, Limits
from odev.grading.result import State, TaskResult, result
from odev.grading.steps import Copies, collect, run

_STUB = re.compile(r"NotImplementedError: ÖDEV (\d+\.\d+)")
_TEST_TOOLS = {"pytest", "_pytest", "pluggy", "unittest", "odev"}
_UNKNOWN = re.compile(r"NameError: name '(\w+)' is not defined")


class Grader:
    """Judges cells against one state of the course: its package is copied, its tests are listed, once.

    `tests` is asked when it is needed: listing them takes a second. With `quick` the list that a run itself
    makes does, where there is one: for a student's own eyes, not for a grade. A task without tests is a
    CourseError.
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
        self.tasks = tuple(tasks)

    def judge(self, task: Task, cell: TaskCell | None) -> TaskResult:
        """The task, with this cell as its answer."""
        return self.judge_with_run(task, cell)[0]

    def judge_with_run(self, task: Task, cell: TaskCell | None) -> tuple[TaskResult, Run | None]:
        """The same, and what became of each test; None when there was nothing to run.

        A missing cell is never run, so the reference never stands in for it.
        """
        if cell is None:
            return self._unrun(task, State.MISSING, f"{task.id} numaralı görev hücresi yok"), None
        if is_stub(cell.source, task):
            return self._unrun(task, State.UNWRITTEN, "henüz yazılmadı"), None
        if _test_tools(cell.source):
            return self._unrun(task, State.TAMPERED, _MESSAGES[State.TAMPERED]), None
        try:
            with self._copies.changed(task, cell.source) as package:
                done = run(self._course, package, [task.id], self._limits)
        except SpliceError as error:
            return self._unrun(task, State.UNREADABLE, str(error)), None
        return self._read(task, done), done

    def judge_all(self, cells: Sequence[tuple[Task, TaskCell | None]]) -> list[TaskResult]:
        """Several at a time, the results in the order of `cells`."""
        with ThreadPoolExecutor(default_jobs()) as pool:
            return list(pool.map(lambda pair: self.judge(*pair), cells))

    def _unrun(self, task: Task, state: State, message: str) -> TaskResult:
        return result(task, self._of(task), state, message)

    def _read(self, task: Task, done: Run) -> TaskResult:
        tests = self._of(task, done)
        failure = done.failure(tests)
        if done.tampered:
            return result(task, tests, State.TAMPERED, _MESSAGES[State.TAMPERED])
        if failure is None:
            return result(task, tests, State.PASSED)
        state, message = _why(done, failure.message, self._limits)
        stub = _STUB.match(failure.message)
        if stub is not None and stub[1] == str(task.id):
            state, message = State.UNWRITTEN, "bir parçası henüz yazılmadı"
        elif stub is not None:  # the hint is about this task, and would mislead
            return result(task, tests, state, f"bunun için önce {stub[1]} numaralı görev gerekiyor")
        judged = result(task, tests, state, message, failure.test)
        if (unknown := _UNKNOWN.match(failure.message)) is not None:  # the hint is of another mistake
            return replace(judged, hint=_CELL_ALONE.format(name=unknown[1]))
        return judged

    def _of(self, task: Task, done: Run | None = None) -> list[StepTest]:
        own: list[StepTest] = []
        if self._quick and done is not None and not done.broken:
            own = [each for each in done.listed if each.task == task.id]
        own = own or [each for each in self._tests() if each.task == task.id]
        if not own:
            raise CourseError(f"task {task.id} has no tests in {self._course.steps}")
        return own


def reference_grader(
    course: Course, copies: Copies, lessons: Sequence[int] = (), limits: Limits | None = None
) -> Grader:
    """A grader for these lessons, of all without one. CourseError unless the reference passes every test."""
    tests = collect(course, *lessons)
    done = run(
        course, copies.unchanged, {test.task for test in tests}, replace(limits or Limits(), seconds=120)
    )
    failure = done.failure(tests)
    if failure is not None or done.tampered:
        what = f"{failure.test.nodeid}: {failure.message}" if failure else "a canary passes"
        raise CourseError(f"the reference in {course.src} does not pass: {what}\n{done.output[-2000:]}")
    tasks = course.tasks_of(*lessons)
    for task in tasks:
        if all(test.task != task.id for test in tests):
            raise CourseError(f"task {task.id} has no tests in {course.steps}")
    return Grader(course, copies, tasks, lambda: tests, limits)


def default_jobs() -> int:
    return max(2, os.cpu_count() or 2)


def is_stub(source: str, task: Task | TaskCell) -> bool:
    """Whether nothing is written yet: every function in the definition that is not a dunder
    raises the stub's NotImplementedError and does nothing else.
    """
    try:
        found = definition(source, task.name)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False  # splice says what is wrong with it
    functions = [found] if not isinstance(found, ast.ClassDef) else found.body
    bodies = [
        ast.unparse(each.body[-1]) if len(each.body) <= 1 + (ast.get_docstring(each) is not None) else ""
        for each in functions
        if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef)
        and (each is found or not each.name.startswith("__") or "ÖDEV" in ast.unparse(each))
    ]
    return bool(bodies) and all(each == f"raise NotImplementedError('ÖDEV {task.id}')" for each in bodies)


def _test_tools(source: str) -> bool:
    """Whether the cell imports what tests are made of; no code of the package has a use for that."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False  # splice says what is wrong with it
    for node in ast.walk(tree):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names = [node.module or ""]
        roots = {name.partition(".")[0] for name in names}
        if node in tree.body:
            roots.discard("odev")  # the lesson's own first line: splice leaves it out
        if roots & _TEST_TOOLS:
            return True
    return False


def _why(done: Run, message: str, limits: Limits) -> tuple[State, str]:
    if done.ended is not Ended.ITSELF:
        state = State(done.ended.value)
        return state, _MESSAGES[state].format(limits=limits, megabytes=limits.output // 1_000_000)
    if not done.reported:
        return State.DIED, _MESSAGES[State.DIED]
    if message.startswith("MemoryError"):
        return State.MEMORY, _MESSAGES[State.MEMORY]
    return State.FAILED, message or "test geçmedi"


_CELL_ALONE = (
    "`{name}` bu hücrede tanımlı değil. Görev hücresi tek başına sınanır: yardımcı fonksiyonu ve import'u "
    "bu hücreye yaz, sabiti fonksiyonun içine koy."
)
_MESSAGES = {
    State.TIME: "{limits.seconds:g} saniyede bitmedi: sonsuz döngü ya da hiç gelmeyen bir cevap olabilir",
    State.MEMORY: "çok fazla bellek istedi",
    State.PROCESSES: "çok fazla process başlattı, hepsi kapatıldı",
    State.OUTPUT: "{megabytes} MB'tan fazla çıktı yazdı",
    State.DIED: "testler bitmeden process kapandı (os._exit ya da çökme)",
    State.TAMPERED: "test aracına müdahale var: değiştirilmiş bir pytest ya da her şeye eşit bir nesne",
}
