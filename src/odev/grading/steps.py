"""Runs the steps' tests against a copy of the package in which one definition is replaced.

Not here: the limited process (limited_process.py), what its report says (junit.py),
points and Turkish messages (grader.py).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

from odev.course.cells import TaskId
from odev.course.course import Course, CourseError, Task
from odev.course.files import temporary_folder
from odev.course.students_copy import check_helpers, replaceable
from odev.grading import inside
from odev.grading.canary import write_canaries
from odev.grading.course_files import course_files
from odev.grading.junit import LARGEST_REPORT, Run, StepTest, read_bytes, read_report
from odev.grading.limited_process import Limits, Outcome, clean_environment, run_limited

SETTINGS = "grading.ini"  # pytest's, beside the steps' tests


class Copies:
    """Makes copies of the course, each with one definition replaced. What is on disk counts once, when this
    is made."""

    def __init__(self, course: Course, folder: Path) -> None:
        self._course = course
        self._files = course_files(course)
        self._base = folder
        self._files.write(folder, {})

    @property
    def unchanged(self) -> Path:
        """A folder that holds the package as it is in src."""
        return self._base / "src"

    def source(self, task: Task) -> str:
        """The task's module as it is in src."""
        return self._files.text(f"src/{self._course.package}/{task.file}")

    def spliced(self, task: Task, source: str) -> str:
        """The task's module with its definition from `source`. SpliceError when that does not fit."""
        check_helpers(self._course, task, source)
        return self._course.splice(task, self.source(task), source, replacing=replaceable(self._course, task))

    @contextmanager
    def changed(self, task: Task, source: str) -> Iterator[Path]:
        """A folder that holds the package with the task's definition from `source`.

        SpliceError when the source cannot take the definition's place.
        """
        with self._written({task.file: self.spliced(task, source)}) as package:
            yield package

    @contextmanager
    def stubbed(self, tasks: Iterable[Task]) -> Iterator[Path]:
        """A folder that holds the package with the stubs of these tasks, as a student's copy has them."""
        modules: dict[str, str] = {}
        for task in tasks:
            before = modules.get(task.file) or self.source(task)
            modules[task.file] = self._course.splice(task, before, self._course.stubs[task.id])
        with self._written(modules) as package:
            yield package

    @contextmanager
    def _written(self, modules: Mapping[str, str]) -> Iterator[Path]:
        with temporary_folder() as folder:
            self._files.write(
                folder, {f"src/{self._course.package}/{file}": text for file, text in modules.items()}
            )
            yield folder / "src"


@contextmanager
def copies(course: Course) -> Iterator[Copies]:
    """A maker of copies, which are gone at the end."""
    with temporary_folder() as folder:
        yield Copies(course, folder)


def collect(course: Course, *lessons: int) -> tuple[StepTest, ...]:
    """The tests of these lessons, by default of all, in their order. CourseError for a wrong mark."""
    files = _test_files(course, lessons)
    if not files:
        return ()
    written = tuple(
        (str(path), path.stat().st_mtime_ns)
        for path in (*files, *course.root.glob("tests/*.py"), *course.steps.glob(SETTINGS))
    )
    with _collecting:
        return _collect_files(course, files, written)


_collecting = threading.Lock()  # one at a time, so that the second caller gets the first one's list


@lru_cache(maxsize=8)
def _collect_files(course: Course, files: tuple[Path, ...], written: object) -> tuple[StepTest, ...]:
    """Collect once for each state of the files, so that a notebook's second check is a second faster.

    `written` holds the files' times of change; it is there for the cache alone.
    """
    with temporary_folder() as folder:
        target = folder / "tests.json"
        arguments = [*_arguments(course), "--collect-only", "--odev-list", str(target), *map(str, files)]
        process = subprocess.run(
            [sys.executable, "-P", "-m", "pytest", *arguments],
            cwd=folder,
            env=clean_environment(folder, [course.src, _folder_of_odev()]),
            capture_output=True,
            text=True,
            encoding="utf-8",
            errors="replace",
            check=False,
        )
        if process.returncode or not target.is_file():
            output = f"{process.stdout}{process.stderr}".strip()
            errors = [line[1:].strip() for line in output.splitlines() if line.startswith("E  ")]
            raise CourseError(f"the steps' tests cannot be collected: {'; '.join(errors) or output}")
        return _listed(target)


def run_tests(course: Course, package: Path, tasks: Iterable[TaskId], limits: Limits) -> Run:
    """Run these tasks' tests against the package in the folder `package`, in one limited process.

    `package` is a folder of `Copies`: the tests come from that copy too.
    """
    with temporary_folder() as folder:
        prepared = prepare(course, package, tasks, limits, folder)
        job_file = folder / "job.json"
        # The process is in Python's UTF-8 mode: it reads a path's bytes as UTF-8, whatever they are here.
        text = json.dumps(prepared.job, ensure_ascii=False)
        job_file.write_text(text, encoding="utf-8", errors="surrogateescape")
        before = _listing(package.parent)
        outcome = run_limited(
            [sys.executable, "-P", "-m", inside.__name__, str(job_file)],
            prepared.work,
            clean_environment(prepared.work, [package]),
            limits,
            prepared.started.is_file,
        )
        spoilt = _listing(package.parent) != before or not job_file.is_file()
        return replace(prepared.read(outcome), spoilt=spoilt)


@dataclass(frozen=True, slots=True)
class Prepared:
    """A run of tests before it begins: `job` for inside.py, the folder `work` that it runs in, and the files
    that it will write: `started` when its first test begins."""

    job: Mapping[str, object]
    work: Path
    started: Path
    _report: Path
    _listed: Path
    _canaries: frozenset[str]

    def read(self, outcome: Outcome) -> Run:
        """The run, after the process has ended in this way."""
        run = read_report(self._report, self.started, outcome, self._canaries)
        with suppress(ValueError, TypeError, AttributeError, CourseError):  # the code has written into it
            run = replace(run, listed=_listed(self._listed))
        return run


def prepare(
    course: Course, package: Path, tasks: Iterable[TaskId], limits: Limits, folder: Path, *options: str
) -> Prepared:
    """Prepare a run of these tasks' tests in the empty folder; `package` as for run_tests. `options` are for
    pytest."""
    course = Course(package.parent, course.package)
    tasks = sorted(set(tasks))
    work, control = folder / "work", folder / "control"
    work.mkdir()
    control.mkdir()
    report, started, listed = control / "report.xml", control / "started", control / "tests.json"
    canaries, names = write_canaries(control)
    arguments = [
        *_arguments(course),
        *options,
        f"--junitxml={report}",
        f"--odev-list={listed}",
        *(f"--odev-task={task}" for task in tasks),
        *map(str, _test_files(course, [task.lesson for task in tasks])),
        str(canaries),
    ]
    job = {
        "limits": {
            "address_space": 2 * limits.memory,
            "file": limits.file,
            "processes": 512 + threads_of_this_user(),
            "seconds": int(2 * limits.seconds) + 60,  # the last resort: the grader looks more closely
        },
        "end": {"parent": os.getpid(), "seconds": int(2 * limits.wall) + 60},
        "started": str(started),
        "package": str(package / course.package),
        "arguments": arguments,
    }
    return Prepared(job, work, started, report, listed, names)


def _listing(folder: Path) -> dict[str, tuple[int, int]]:
    """Size and time of change of each file in the folder; nothing for those that go meanwhile."""
    listing = {}
    for path in folder.rglob("*"):
        with suppress(OSError):
            state = path.lstat()
            listing[str(path)] = (state.st_size, state.st_mtime_ns)
    return listing


def _listed(path: Path) -> tuple[StepTest, ...]:
    tests = json.loads(read_bytes(path, LARGEST_REPORT) or b"[]")
    return tuple(step_test(properties) for properties in tests)


def _test_files(course: Course, lessons: Sequence[int]) -> tuple[Path, ...]:
    files = sorted(course.steps.glob("test_[0-9][0-9]_*.py"))
    return tuple(path for path in files if not lessons or int(path.name[5:7]) in lessons)


def _folder_of_odev() -> Path:
    """The folder that odev is imported from."""
    return Path(__file__).resolve().parents[2]


def _arguments(course: Course) -> list[str]:
    """For pytest: these plugins and no others, which the steps' own settings may add to (`-p anyio`).

    The settings are not called pytest.ini, which would make of `tests/steps` a root of its own, and other
    node ids, for whoever runs pytest there.
    """
    settings = course.steps / SETTINGS
    return [
        "--quiet",
        f"--rootdir={course.root}",
        f"--confcutdir={course.root}",
        f"--config-file={settings if settings.is_file() else os.devnull}",
        "--import-mode=importlib",
        "--continue-on-collection-errors",  # a package that does not import fails its tests
        "--capture=no",  # the limited process counts what a test writes; pytest keeps nothing
        "--disable-plugin-autoload",
        "-pno:cacheprovider",
        "-podev.pytest_plugin",
    ]


def step_test(properties: Mapping[str, str]) -> StepTest:
    """The test that has these properties in pytest's list. CourseError when its mark is not right."""
    nodeid = properties["nodeid"]
    try:
        task, points = TaskId.parse(properties["task"]), int(properties["points"])
        hint, more = properties["hint"], properties["more"]
    except (KeyError, ValueError):
        raise CourseError(f'{nodeid} needs @pytest.mark.task("1.2", points=6, hint="…")') from None
    return StepTest(nodeid, task, points, hint, more)


def threads_of_this_user() -> int:
    """About what RLIMIT_NPROC counts on Linux: the threads of all processes of this user; 0 for root."""
    import psutil

    this = psutil.Process()
    me = this.uids().real if hasattr(this, "uids") else 0  # Windows has no such number, and no such limit
    if me == 0:
        return 0
    threads = 0
    for process in psutil.process_iter(["uids", "num_threads"]):
        if process.info["uids"] and process.info["uids"].real == me:
            threads += process.info["num_threads"] or 1
    return threads
