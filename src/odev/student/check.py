"""`check` and `status`: a student's own work, judged as it stands, from a notebook or from a shell.

In a notebook the version that was run last counts, saved or not; a task whose cell
was not run in this kernel is read from the saved file. Not here: judging a cell
(grading/grader.py), the usual mistakes (grading/mistakes.py), how results look
(report.py), the line that is shown meanwhile (waiting.py), many students (instructor/grade.py).
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import as_completed
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from odev.course.answer import SpliceError, parse_cell
from odev.course.cells import TaskCell, TaskId, read_notebook, task_cell, task_cells
from odev.course.course import Course, Task, find_course
from odev.course.splice import definition_in
from odev.course.students_copy import land
from odev.grading.course_copies import copies
from odev.grading.grader import Grader, default_jobs, is_stub, judging_pool
from odev.grading.result import State, TaskResult
from odev.grading.steps import collect
from odev.student.report import Progress, Report

_RESTART = (
    "Bilgin olsun: bu notebook paketin eski hâlini yüklemişti. Ders metni istemedikçe çekirdeği "
    "(Kernel → Restart) yeniden başlatman gerekmez. Bu not, bu notebook'ta bir daha çıkmaz."
)
_notes_of_this_kernel: set[str] = set()


@dataclass(frozen=True, slots=True)
class Session:
    """What a notebook's kernel knows: the sources that ran, in their order, the notebook's file, and the
    modules that it has imported. `once` holds the notes that this kernel has had and needs no second time."""

    ran: tuple[str, ...] = ()
    path: Path | None = None
    modules: frozenset[str] = frozenset()
    once: set[str] = field(default_factory=set)

    def cells(self) -> dict[TaskId, TaskCell]:
        """For each task the version that ran last, in the order in which these ran."""
        cells: dict[TaskId, TaskCell] = {}
        for cell in task_cells(self.ran):
            cells.pop(cell.id, None)
            cells[cell.id] = cell
        return cells

    def defined_elsewhere(self, task: Task) -> bool:
        """Whether a cell without the tag has defined the task's name after the task's cell ran."""
        is_elsewhere = False
        for source in self.ran:
            cell = task_cell(source)
            if cell is not None:
                is_elsewhere = is_elsewhere and cell.id != task.id
            elif task.name in source:
                with suppress(SpliceError):
                    is_elsewhere = is_elsewhere or definition_in(parse_cell(source), task.name) is not None
        return is_elsewhere


def this_session() -> Session:
    """The session of the notebook that calls this; an empty one in a shell or a script."""
    ipython = sys.modules.get("IPython")
    shell: Any = ipython.get_ipython() if ipython else None
    if shell is None:
        return Session()
    names = (shell.user_ns.get("__vsc_ipynb_file__"), os.environ.get("JPY_SESSION_NAME"))
    path = next((Path(name) for name in names if name and Path(name).is_file()), None)
    ran = tuple(shell.history_manager.input_hist_raw)  # as it was typed; `In` is translated
    return Session(ran, path, frozenset(sys.modules), _notes_of_this_kernel)


@dataclass(slots=True)
class Work:
    """The cells to judge, and notes (Turkish) for the report."""

    cells: dict[TaskId, TaskCell] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def check(
    what: object = None, *, hints: int = 1, course: Course | None = None, session: Session | None = None
) -> Report:
    """Judge a lesson (4) or a task ("4.2"); without an argument, the lesson that the student works on.

    With `hints=2` the report has the second hints too. In a student's copy the answers that pass land in src.
    """
    course = course or find_course()
    session = session if session is not None else this_session()
    try:
        lesson, only = _wanted(what, course, session)
    except ValueError as error:
        return Report("odev check", (), (str(error),))
    tasks = [task for task in course.tasks_of(lesson) if only is None or task.id == only]
    if not tasks:
        what = f"{only} numaralı görev" if only else f"{lesson}. derste görev"
        return Report("odev check", (), (f"{what} yok.",))
    work = _work_on(course, session, tasks)
    results = _judge_tasks(course, tasks, work)
    landed = _land_passed(course, dict(zip(tasks, results, strict=True)), work)
    is_stale = session.modules & {f"{course.package}.{task.module}" for task in landed}
    if is_stale and _RESTART not in session.once:
        session.once.add(_RESTART)
        work.notes.append(_RESTART)
    return Report(_title(course, lesson), tuple(results), tuple(work.notes), hints)


def status(
    *,
    course: Course | None = None,
    session: Session | None = None,
    progress: Callable[[int], None] = lambda total: None,
) -> Progress:
    """Every lesson's points, and the first task that has not passed. Nothing lands.

    `progress` is called after each task with the number of all tasks, in this thread.
    """
    course = course or find_course()
    tasks = course.tasks
    work = _work_on(course, session if session is not None else this_session(), tasks)
    results = dict(zip(tasks, _judge_tasks(course, tasks, work, progress), strict=True))
    lessons = [
        Report(
            _title(course, int(path.name[:2])),
            tuple(results[task] for task in tasks if task.notebook == path),
        )
        for path in course.notebooks()
    ]
    left = next((task for task, result in results.items() if not result.passed), None)
    where = f"Sıradaki: {left.id} {left.full_name} (lessons/{left.notebook.name})" if left else "Hepsi bitti!"
    return Progress(tuple(lessons), where)


def _wanted(what: object, course: Course, session: Session) -> tuple[int, TaskId | None]:
    """The lesson, and the task if only one is asked for. ValueError (Turkish) for anything else."""
    if what is None or what == "":
        return _lesson_at_hand(course, session), None
    text = str(what).strip()
    try:
        if "." in text:
            task = TaskId.parse(text)
            return task.lesson, task
        return int(text), None
    except ValueError:
        raise ValueError(f'{text!r} ne ders ne görev. Ders: check(4). Görev: check("4.2").') from None


def _lesson_at_hand(course: Course, session: Session) -> int:
    """The lesson of the task cell that ran last, else of the open file, else of the file saved last."""
    ran = [id.lesson for id in session.cells()]
    if ran:
        return ran[-1]
    by_age = sorted(course.notebooks(), key=lambda path: path.stat().st_mtime)
    for path in [session.path] if session.path else reversed(by_age):
        saved = _saved_work(path).cells
        if saved:
            return next(iter(saved)).lesson
    raise ValueError("Hangi ders? check(1) gibi yaz.")


def _saved_work(path: Path) -> Work:
    notebook = read_notebook(path.name, path.read_bytes()) if path.is_file() else None
    if notebook is None:
        return Work(notes=[f"{path.name} bulunamadı."])
    work = Work({cell.id: cell for cell in notebook.cells})
    if notebook.problem:
        work.notes.append(notebook.problem + ".")
    for id in _repeated(notebook.cells):
        work.notes.append(f"{id} numaralı görev {path.name} içinde birden çok kez var: sonuncusu sayıldı.")
    return work


def _repeated(cells: Iterable[TaskCell]) -> list[TaskId]:
    ids = [cell.id for cell in cells]
    return sorted({id for id in ids if ids.count(id) > 1})


def _work_on(course: Course, session: Session, tasks: Iterable[Task]) -> Work:
    tasks = tuple(tasks)
    ran = session.cells()
    work = Work()
    files: dict[Path, Work] = {}
    unrun: list[str] = []
    for task in tasks:
        if task.id in ran:
            work.cells[task.id] = ran[task.id]
            continue
        path = task.notebook
        if session.path is not None and task.id in _read_once(files, session.path).cells:
            path = session.path  # the student's copy of the lesson under another name
        saved = _read_once(files, path)
        if task.id in saved.cells:
            cell = work.cells[task.id] = saved.cells[task.id]
            if not is_stub(cell.source, task):
                unrun.append(str(task.id))
    for saved in files.values():
        work.notes += saved.notes
    work.notes += [
        f"`{task.name}` adını, görev hücresinden sonra çalıştırdığın etiketsiz bir hücre yeniden tanımladı. "
        f"O hücre sayılmaz: kodunu `#| odev {task.id} {task.full_name}` satırıyla başlayan hücreye taşı."
        for task in tasks
        if session.defined_elsewhere(task)
    ]
    if unrun and session.ran:
        work.notes.append(
            f"Bu oturumda çalıştırılmadı, kayıtlı dosyadan okundu: {', '.join(unrun)}. Hücreyi çalıştır; "
            "çalıştırdıysan ilk satırı (#| odev …) duruyor mu, bak."
        )
    return work


def _read_once(files: dict[Path, Work], path: Path) -> Work:
    if path not in files:
        files[path] = _saved_work(path)
    return files[path]


def _judge_tasks(
    course: Course,
    tasks: Iterable[Task],
    work: Work,
    progress: Callable[[int], None] = lambda total: None,
) -> list[TaskResult]:
    tasks = tuple(tasks)
    lessons = {task.lesson for task in tasks}
    written = [
        task for task in tasks if task.id in work.cells and not is_stub(work.cells[task.id].source, task)
    ]
    # For a lesson's few tasks, processes of their own have ended before a fork server is ready.
    with copies(course, in_forks=len(written) > 3 * default_jobs()) as package_copies:
        grader = Grader(course, package_copies, tasks, lambda: collect(course, *lessons), quick=True)
        with judging_pool(default_jobs()) as pool:
            judged = {pool.submit(grader.judge, task, work.cells.get(task.id)): task for task in tasks}
            for _ in as_completed(judged):
                progress(len(tasks))
    return [_with_advice(task, future.result()) for future, task in judged.items()]


def _with_advice(task: Task, result: TaskResult) -> TaskResult:
    """What a student can do about a cell that was not judged is more than what a teacher has to know."""
    tag = f"`#| odev {task.id} {task.full_name}`"
    if result.state is State.UNWRITTEN:
        advice = f"{tag} satırı yerinde kalsın; `raise` satırını silip yerine kodunu yaz ve hücreyi çalıştır"
    elif result.state is State.MISSING:
        advice = f"hücrenin ilk satırı {tag} olmalı; o satırı geri koy ve hücreyi çalıştır"
    else:
        return result
    return replace(result, message=f"{result.message}: {advice}")


def _land_passed(course: Course, results: Mapping[Task, TaskResult], work: Work) -> list[Task]:
    """The tasks whose answer has changed the student's src. One that cannot be written is a note."""
    changed = []
    for task, result in results.items():
        if not result.passed:
            continue
        path = course.module(task).relative_to(course.root).as_posix()
        try:
            if land(course, task, work.cells[task.id].source):
                work.notes.append(f"{task.id} artık senin paketinde: {path}")
                changed.append(task)
        except OSError as error:
            work.notes.append(
                f"{task.id} geçti ve puanın sayıldı, ama kodun {path} içine yazılamadı ({error.strerror}). "
                "Bu kopya salt okunur olabilir: klasörü yazabildiğin bir yere kopyalayıp oradan devam et."
            )
    return changed


def _title(course: Course, lesson: int) -> str:
    """The lesson's heading; without one, its number."""
    for path in course.notebooks():
        if int(path.name[:2]) == lesson:
            return read_notebook(path.name, path.read_bytes()).title or f"Ders {lesson}"
    return f"Ders {lesson}"
