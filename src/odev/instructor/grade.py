"""Many submissions, graded in parallel, a result file for each: started again, only what changed is graded.

Not here: what was handed in (handed_in.py), the judging (grading.py), files for other
programs (exports.py).
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from odev.course.course import Course, Task
from odev.course.package_files import package_files
from odev.grading.grader import Grader, default_jobs, reference_grader
from odev.grading.limited_process import Limits
from odev.grading.result import State, TaskResult
from odev.grading.steps import copies
from odev.instructor.handed_in import Submission, find_submissions, read_submission


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
