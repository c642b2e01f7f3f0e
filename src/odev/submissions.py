"""Many submissions, graded in parallel, a result file for each: started again, only what changed is graded.

A submission is a folder or a zip; its name is the name of that. Only the tagged
cells of its notebooks are taken, as text: never a test, a conftest, a plugin or a
module of its own. Not here: the judging (grading.py), files for other programs
(exports.py).
"""

from __future__ import annotations

import hashlib
import json
import os
import zipfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from odev.cells import LARGEST, TaskCell, TaskId, read_notebook
from odev.course import Course, CourseError, Task, package_files
from odev.grading import Grader, State, TaskResult, default_jobs, reference_grader
from odev.sandbox import Limits
from odev.steps import copies

_NOT_THEIRS = {"solutions", "__MACOSX", "site-packages", "node_modules"}
_MOST_NOTEBOOKS = 200


@dataclass(frozen=True, slots=True)
class Submission:
    """`cells` holds the last cell of each task; `warnings` are Turkish."""

    name: str
    cells: dict[TaskId, TaskCell]
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Graded:
    """A submission's results. `key` changes with its cells, and with the course."""

    name: str
    key: str
    results: tuple[TaskResult, ...]
    warnings: tuple[str, ...] = ()

    @property
    def score(self) -> int:
        return sum(each.score for each in self.results)

    @property
    def points(self) -> int:
        return sum(each.points for each in self.results)


def find_submissions(paths: Iterable[Path]) -> dict[str, Path]:
    """By name. A path is a submission when it is a zip, or a folder with notebooks or lessons or nothing in
    it; of any other folder each folder and zip in it is one.
    """
    found: list[Path] = []
    for path in paths:
        if not path.exists():
            raise CourseError(f"there is no {path}")
        found += [path] if _is_one(path) else sorted(filter(_may_be_one, path.iterdir()))
    stems = [_stem(path) for path in found]
    named = {(path.name if stems.count(_stem(path)) > 1 else _stem(path)): path for path in found}
    if len(named) < len(found):
        raise CourseError("two submissions have the same name")
    return named


def _is_one(path: Path) -> bool:
    if not path.is_dir():
        return True
    return (
        (path / "lessons").is_dir() or any(path.glob("*.ipynb")) or not any(map(_may_be_one, path.iterdir()))
    )


def _may_be_one(path: Path) -> bool:
    return not path.name.startswith((".", "__")) and (path.is_dir() or path.suffix.lower() == ".zip")


def _stem(path: Path) -> str:
    path = path.resolve()
    return path.name if path.is_dir() else path.stem


def read_submission(name: str, path: Path) -> Submission:
    """Whatever lies there, this returns; what cannot be read is a warning."""
    cells: dict[TaskId, TaskCell] = {}
    warnings: list[str] = []
    try:
        notebooks = [read_notebook(where, content) for where, content in _notebooks(path)]
    except (OSError, RuntimeError, ValueError, NotImplementedError, zipfile.BadZipFile) as error:
        return Submission(name, {}, (f"{path.name} açılamadı: {error}",))
    if not notebooks:
        warnings.append("içinde hiç notebook yok")
    for notebook in notebooks:
        if notebook.problem:
            warnings.append(notebook.problem)
        for cell in notebook.cells:
            if cell.id in cells:
                warnings.append(
                    f"{cell.id} numaralı görev birden çok kez var, sonuncusu sayıldı ({notebook.name})"
                )
            cells[cell.id] = cell
    return Submission(name, cells, tuple(dict.fromkeys(warnings)))


def _notebooks(path: Path) -> Iterator[tuple[str, bytes]]:
    """Name and content, in the order of their paths. Nothing is unpacked, and no link is followed."""
    if path.is_dir():
        files = [each for each in path.rglob("*.ipynb") if each.is_file() and not each.is_symlink()]
        for file in sorted(files)[:_MOST_NOTEBOOKS]:
            where = file.relative_to(path)
            inside = file.resolve().is_relative_to(path.resolve())
            if inside and _is_theirs(PurePosixPath(where.as_posix())):
                with file.open("rb") as stream:
                    yield where.as_posix(), stream.read(LARGEST + 1)
        return
    with zipfile.ZipFile(path) as archive:
        infos = [
            each for each in archive.infolist() if each.filename.endswith(".ipynb") and not each.is_dir()
        ]
        for info in sorted(infos, key=lambda each: each.filename)[:_MOST_NOTEBOOKS]:
            if _is_theirs(PurePosixPath(info.filename)):
                with archive.open(info) as packed:
                    yield info.filename, packed.read(LARGEST + 1)


def _is_theirs(path: PurePosixPath) -> bool:
    return not any(part in _NOT_THEIRS or part.startswith(".") for part in path.parts)


def grade(
    course: Course,
    paths: Iterable[Path],
    out: Path,
    *,
    lessons: Sequence[int] = (),
    jobs: int | None = None,
    limits: Limits | None = None,
    done: Callable[[int], None] = lambda total: None,
) -> list[Graded]:
    """Every submission, in the order of names; a file for each in out/results, kept while nothing changes.

    `done` is called after each task with the number of all that are to be run.
    """
    limits = limits or Limits()
    submissions = [read_submission(*each) for each in sorted(find_submissions(paths).items())]
    folder = out / "results"
    folder.mkdir(parents=True, exist_ok=True)
    state = _digest_of_course(course, lessons, limits)
    finished: dict[str, Graded] = {}
    for each in submissions:
        kept = _kept(folder / f"{each.name}.json")
        if kept is not None and kept.key == _key(each, state):
            finished[each.name] = kept
    left = [each for each in submissions if each.name not in finished]
    if left:
        with copies(course) as made:
            grader = reference_grader(course, made, lessons, limits)
            for graded in _grade(grader, left, state, jobs or default_jobs(), done):
                _keep(folder / f"{graded.name}.json", graded)
                finished[graded.name] = graded
    return [finished[each.name] for each in submissions]


def _grade(
    grader: Grader, submissions: Sequence[Submission], state: str, jobs: int, done: Callable[[int], None]
) -> Iterator[Graded]:
    """Each as soon as its last task is judged. All tasks stand in one line: a slow one holds nobody up."""
    total = len(submissions) * len(grader.tasks)
    pool = ThreadPoolExecutor(jobs)
    try:
        futures: dict[Future[TaskResult], tuple[Submission, Task]] = {
            pool.submit(grader.judge, task, each.cells.get(task.id)): (each, task)
            for each in submissions
            for task in grader.tasks
        }
        results: dict[str, dict[Task, TaskResult]] = {each.name: {} for each in submissions}
        for future in as_completed(futures):
            submission, task = futures[future]
            own = results[submission.name]
            own[task] = future.result()
            done(total)
            if len(own) == len(grader.tasks):
                in_order = tuple(own[each] for each in grader.tasks)
                yield Graded(submission.name, _key(submission, state), in_order, submission.warnings)
    finally:
        pool.shutdown(cancel_futures=True)


def _key(submission: Submission, state: str) -> str:
    cells = [(str(id), submission.cells[id].source) for id in sorted(submission.cells)]
    return _digest([state, json.dumps([cells, submission.warnings])])


def _digest_of_course(course: Course, lessons: Sequence[int], limits: Limits) -> str:
    texts = [
        str(sorted(lessons)),
        str(limits),
        str([(each.id, each.module, each.name) for each in course.tasks]),
    ]
    for folder in (course.src / course.package, course.steps):
        texts += [f"{path.relative_to(folder)} {path.read_bytes()!r}" for path in package_files(folder)]
    return _digest(texts)


def _digest(texts: Iterable[str]) -> str:
    digest = hashlib.sha256()
    for text in texts:
        digest.update(f"{len(text)} {text}".encode("utf-8", "surrogatepass"))
    return digest.hexdigest()


def _keep(path: Path, graded: Graded) -> None:
    temporary = path.with_name(path.name + ".new")
    temporary.write_text(json.dumps(asdict(graded), ensure_ascii=False, indent=1), encoding="utf-8")
    os.replace(temporary, path)


def _kept(path: Path) -> Graded | None:
    try:
        told: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        results = tuple(TaskResult(**{**each, "state": State(each["state"])}) for each in told["results"])
        return Graded(told["name"], told["key"], results, tuple(told["warnings"]))
    except (OSError, ValueError, LookupError, TypeError):
        return None  # not there, or half of one: it is graded anew
