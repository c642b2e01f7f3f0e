"""Grades many submissions in parallel, with a result file for each.

When it is started again, only what has changed is graded again. Not here: what was
handed in (submission.py), judging a cell (grading/grader.py), the marks that come out
of the results (marks.py).
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, as_completed
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from odev.course.course import Course, CourseError, Task
from odev.course.files import replace_text
from odev.course.package_files import package_files
from odev.grading.course_copies import copies
from odev.grading.course_files import Watched
from odev.grading.grader import Grader, default_jobs, judging_pool, reference_grader
from odev.grading.junit import Crash
from odev.grading.limited_process import Limits
from odev.grading.result import Scored, State, TaskResult
from odev.instructor.plain_text import safe_file_name
from odev.instructor.submission import Submission

_NO_VERDICT = {State.BUSY, State.UNJUDGED}  # for another reason than the answer: judged again the next time


@dataclass(frozen=True, slots=True)
class Graded(Scored):
    """A submission's results. `key` changes when its cells or the course change."""

    submission: Submission
    key: str
    results: tuple[TaskResult, ...]

    @property
    def name(self) -> str:
        return self.submission.name

    @property
    def warnings(self) -> tuple[str, ...]:
        """What an instructor should look at (Turkish)."""
        notes = [f"{result.task}: {note}" for result in self.results for note in result.notes]
        unjudged = [result.task for result in self.results if result.state in _NO_VERDICT]
        again = [f"puanlanamadı: {', '.join(unjudged)}; aynı komutu yeniden çalıştır"] if unjudged else []
        return (*self.submission.warnings, *again, *notes)


def grade(
    course: Course,
    submissions: Sequence[Submission],
    out: Path,
    *,
    lessons: Sequence[int] = (),
    jobs: int | None = None,
    limits: Limits | None = None,
    progress: Callable[[int], None] = lambda total: None,
    say: Callable[[str], None] = lambda line: None,
) -> list[Graded]:
    """Grade every submission; the results are in the same order, and as files in out/results.

    A file there is used again while its submission and the course are unchanged. `progress` is called
    after each task with the number of all tasks that are to be judged, `say` with what the instructor should
    know (Turkish). CourseError when the course's files change meanwhile: then nobody gets points.
    """
    limits = limits or Limits()
    under_way = _UnderWay(out / "under_way.json")
    for line in under_way.left_by_an_earlier_run():
        say(line)
    folder = out / "results"
    folder.mkdir(parents=True, exist_ok=True)
    state = _digest_of_course(course, lessons, limits)
    finished: dict[str, Graded] = {}
    for submission in submissions:
        earlier = _load(_file_of(folder, submission), submission)
        if earlier is not None and earlier.key == _key(submission, state):
            finished[submission.name] = earlier
    left = [submission for submission in submissions if submission.name not in finished]
    if left:
        with copies(course, in_forks=True) as package_copies:
            guard = _Guard(course, under_way)
            grader = reference_grader(course, package_copies, lessons, limits)
            for graded in _grade_all(grader, left, state, jobs or default_jobs(), guard, progress):
                if all(result.state not in _NO_VERDICT for result in graded.results):
                    _save(_file_of(folder, graded.submission), graded)
                finished[graded.name] = graded
    return [finished[submission.name] for submission in submissions]


class _UnderWay:
    """The submissions that are judged now, in memory and in a file that outlives this process."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._tasks: list[tuple[str, str]] = []

    def left_by_an_earlier_run(self) -> Iterator[str]:
        try:
            left = [f"{name} ({task})" for name, task in json.loads(self._path.read_text(encoding="utf-8"))]
        except (OSError, ValueError, TypeError):
            return
        if left:
            yield (
                f"Geçen sefer yarıda kalan: {', '.join(left)}. Puanlama bir daha kendiliğinden kesilirse bu "
                "teslimleri ayır."
            )

    @contextmanager
    def judging(self, name: str, task: Task) -> Iterator[None]:
        entry = (name, str(task.id))
        self._write(lambda tasks: tasks.append(entry))
        yield
        self._write(lambda tasks: tasks.remove(entry))  # not after an error: then it was cut short

    def names(self) -> list[str]:
        with self._lock:
            return [f"{name} ({task})" for name, task in self._tasks]

    def _write(self, change: Callable[[list[tuple[str, str]]], None]) -> None:
        with self._lock:
            change(self._tasks)
            replace_text(self._path, json.dumps(self._tasks, ensure_ascii=False))


class _Guard:
    """Notices when the files by which all are judged change while somebody's cell is judged."""

    def __init__(self, course: Course, under_way: _UnderWay) -> None:
        self._files = Watched(course)
        self._under_way = under_way

    @contextmanager
    def judging(self, name: str, task: Task) -> Iterator[None]:
        """CourseError when a file has changed at the end of the block."""
        with self._under_way.judging(name, task):
            yield
            changed = self._changed()
            if changed:
                suspects = ", ".join(self._under_way.names())
                raise CourseError(
                    "Puanlama sırasında kursun dosyaları değişti, hiçbir not yazılmadı. "
                    f"Değişen: {', '.join(changed)}. O sırada çalışan: {suspects}. "
                    "Dosyaları geri al, o teslimi ayır, sonra yeniden puanla."
                )

    def _changed(self) -> list[str]:
        try:
            return self._files.changed()
        except OSError as error:  # it is being removed
            return [str(error.filename)]


def _grade_all(
    grader: Grader,
    submissions: Sequence[Submission],
    state: str,
    jobs: int,
    guard: _Guard,
    progress: Callable[[int], None],
) -> Iterator[Graded]:
    """Each submission as soon as its last task is judged. One pool judges all tasks, so a slow one delays
    only its own submission."""
    total = len(submissions) * len(grader.tasks)

    def judge(submission: Submission, task: Task) -> TaskResult:
        with guard.judging(submission.name, task):
            return grader.judge(task, submission.cells.get(task.id))

    with judging_pool(jobs) as pool:
        futures: dict[Future[TaskResult], tuple[Submission, Task]] = {
            pool.submit(judge, submission, task): (submission, task)
            for submission in submissions
            for task in grader.tasks
        }
        results: dict[str, dict[Task, TaskResult]] = {submission.name: {} for submission in submissions}
        for future in as_completed(futures):
            submission, task = futures[future]
            judged = results[submission.name]
            judged[task] = future.result()
            progress(total)
            if len(judged) == len(grader.tasks):
                in_order = tuple(judged[task] for task in grader.tasks)
                yield Graded(submission, _key(submission, state), in_order)


def _key(submission: Submission, state: str) -> str:
    cells = [(str(id), submission.cells[id].source) for id in sorted(submission.cells)]
    return _digest([state, submission.name, json.dumps(cells)])


def _digest_of_course(course: Course, lessons: Sequence[int], limits: Limits) -> str:
    texts = [
        str(sorted(lessons)),
        str(limits),
        str([(task.id, task.module, task.name) for task in course.tasks]),
    ]
    for folder in (course.src / course.package, course.steps, Path(__file__).parents[1]):
        texts += [f"{path.relative_to(folder)} {path.read_bytes()!r}" for path in package_files(folder)]
    for path in (*sorted(course.steps.parent.glob("*.py")), course.root / "pyproject.toml"):
        texts += [f"{path.name} {path.read_bytes()!r}"] if path.is_file() else []
    return _digest(texts)


def _digest(texts: Iterable[str]) -> str:
    digest = hashlib.sha256()
    for text in texts:
        digest.update(f"{len(text)} {text}".encode("utf-8", "surrogatepass"))
    return digest.hexdigest()


def _file_of(folder: Path, submission: Submission) -> Path:
    return folder / f"{safe_file_name(submission.name)}.json"


def _save(path: Path, graded: Graded) -> None:
    results = [asdict(result) for result in graded.results]
    replace_text(path, json.dumps({"key": graded.key, "results": results}, ensure_ascii=False, indent=1))


def _load(path: Path, submission: Submission) -> Graded | None:
    """None for a file that is not there or not right: that submission is graded again."""
    try:
        saved: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return Graded(submission, saved["key"], tuple(map(_loaded_result, saved["results"])))
    except (OSError, ValueError, LookupError, TypeError):
        return None


def _loaded_result(fields: dict[str, Any]) -> TaskResult:
    crash = fields["crash"] and Crash(**{**fields["crash"], "lines": tuple(fields["crash"]["lines"])})
    return TaskResult(
        **{**fields, "state": State(fields["state"]), "crash": crash, "notes": tuple(fields["notes"])}
    )
