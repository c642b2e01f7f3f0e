"""Many submissions, graded in parallel, a result file for each: started again, only what changed is graded.

A submission is a folder or a zip; its name is the name of that. Only the tagged
cells of its notebooks are taken, as text: never a test, a conftest, a plugin or a
module of its own. Not here: the judging (grading.py), files for other programs
(exports.py).
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import zipfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any

from odev.cells import LARGEST, TaskCell, TaskId, read_notebook
from odev.course import Course, CourseError, Task, package_files
from odev.grading import Grader, State, TaskResult, default_jobs, is_stub, reference_grader
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


def find_submissions(paths: Iterable[Path], out: Path | None = None) -> dict[str, Path]:
    """By name. A path is a submission when it is a zip, a notebook, or a folder of one student's notebooks;
    of any other folder each folder, zip and notebook in it is one, `out` left aside.
    """
    found: list[Path] = []
    for path in paths:
        if not path.exists():
            raise CourseError(f"there is no {path}")
        found += [path] if _is_one(path) else sorted(filter(_may_be_one, path.iterdir()))
    found = [each for each in found if out is None or each.resolve() != out.resolve()]
    stems = [_stem(path) for path in found]
    named = {_readable(path.name if stems.count(_stem(path)) > 1 else _stem(path)): path for path in found}
    if len(named) < len(found):
        raise CourseError("two submissions have the same name")
    return named


def _is_one(path: Path) -> bool:
    if not path.is_dir() or (path / "lessons").is_dir():
        return True
    inside = [each for each in path.iterdir() if _may_be_one(each)]
    notebooks = [each for each in inside if each.suffix.lower() == ".ipynb"]
    others = [each for each in inside if each not in notebooks]
    if any(each.is_file() or any(_notebook_files(each)) for each in others):
        return False
    tasks = [cell.id for each in notebooks for cell in read_notebook(each.name, each.read_bytes()).cells]
    return len(tasks) == len(set(tasks)) or len(notebooks) < 2  # the same task twice: of two students


def _may_be_one(path: Path) -> bool:
    if path.name.startswith((".", "__")):
        return False
    return path.is_dir() or path.suffix.lower() in (".zip", ".ipynb")


def _readable(text: str) -> str:
    """A name from another system may not be UTF-8."""
    return os.fsencode(text).decode("utf-8", "replace")


def _stem(path: Path) -> str:
    path = path.resolve()
    return path.name if path.is_dir() else path.stem


def read_submission(name: str, path: Path) -> Submission:
    """Whatever lies there, this returns; what cannot be read is a warning."""
    cells: dict[TaskId, TaskCell] = {}
    warnings: list[str] = []
    try:
        notebooks = [read_notebook(where, content) for where, content in _notebooks(path)]
    except Exception as error:  # whatever a broken zip makes of zipfile and what is below it
        return Submission(name, {}, (_readable(f"{path.name} açılamadı: {error}"),))
    if not notebooks:
        warnings.append("içinde hiç notebook yok")
    for notebook in notebooks:
        if notebook.problem:
            warnings.append(notebook.problem)
        for cell in notebook.cells:
            known = cells.get(cell.id)
            if known is None or is_stub(known.source, known):
                cells[cell.id] = cell
            elif not is_stub(cell.source, cell):  # the lesson as it was given does not replace an answer
                warnings.append(
                    f"{cell.id} numaralı görev birden çok kez var, sonuncusu sayıldı ({notebook.name})"
                )
                cells[cell.id] = cell
    return Submission(name, cells, tuple(dict.fromkeys(warnings)))


def _notebooks(path: Path) -> Iterator[tuple[str, bytes]]:
    """Name and content, in the order of their paths; a zip within is looked into too. Nothing is unpacked,
    and no link is followed."""
    if path.is_file() and path.suffix.lower() == ".ipynb":
        yield _readable(path.name), _content(path)
    elif path.is_file():
        yield from _zipped(path, "")
    else:
        for file in sorted(_notebook_files(path))[:_MOST_NOTEBOOKS]:
            where = _readable(file.relative_to(path).as_posix())
            if file.suffix.lower() == ".zip":
                yield from _zipped(file, f"{where}/")
            else:
                yield where, _content(file)


def _notebook_files(folder: Path) -> Iterator[Path]:
    """Notebooks and zips below it that are the student's."""
    for file in folder.rglob("*"):
        if file.suffix.lower() in (".ipynb", ".zip") and file.is_file() and not file.is_symlink():
            where = PurePosixPath(file.relative_to(folder).as_posix())
            if file.resolve().is_relative_to(folder.resolve()) and _is_theirs(where):
                yield file


def _zipped(file: Path | IO[bytes], before: str, depth: int = 1) -> Iterator[tuple[str, bytes]]:
    with zipfile.ZipFile(file) as archive:
        infos = [each for each in archive.infolist() if _is_theirs(PurePosixPath(each.filename))]
        for info in sorted(infos, key=lambda each: each.filename)[:_MOST_NOTEBOOKS]:
            kind = PurePosixPath(info.filename).suffix.lower()
            if kind not in (".ipynb", ".zip") or info.is_dir():
                continue
            with archive.open(info) as packed:
                content = packed.read(LARGEST + 1)
            if kind == ".ipynb":
                yield before + info.filename, content
            elif depth:
                yield from _zipped(io.BytesIO(content), f"{before}{info.filename}/", depth - 1)


def _content(file: Path) -> bytes:
    with file.open("rb") as stream:
        return stream.read(LARGEST + 1)


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
    submissions = [read_submission(*each) for each in sorted(find_submissions(paths, out).items())]
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
                if all(each.state is not State.TIME for each in graded.results):  # the machine may be busy
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
    for folder in (course.src / course.package, course.steps, Path(__file__).parent):
        texts += [f"{path.relative_to(folder)} {path.read_bytes()!r}" for path in package_files(folder)]
    for path in (*sorted(course.steps.parent.glob("*.py")), course.root / "pyproject.toml"):
        texts += [f"{path.name} {path.read_bytes()!r}"] if path.is_file() else []
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
