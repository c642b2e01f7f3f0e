"""The steps' tests, run against a copy of the package in which one definition is somebody's.

Not here: the limited process (sandbox.py), what its report says (runs.py), points
and Turkish (grading.py).
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

from odev.course.cells import TaskId
from odev.course.course import Course, CourseError, Task
from odev.course.splice import splice
from odev.course.students_copy import check_helpers, replaceable
from odev.grading import canary, limited_process
from odev.grading.junit import Run, StepTest, read
from odev.grading.limited_process import Limits

SETTINGS = "grading.ini"  # pytest's, beside the steps' tests


class Copies:
    """Copies of the package, each with one definition changed. Made once, handed out many times."""

    def __init__(self, course: Course, folder: Path) -> None:
        self._course = course
        self._folder = folder
        self._base = folder / "base"
        shutil.copytree(course.src / course.package, self._base / course.package)

    @property
    def unchanged(self) -> Path:
        """A folder that holds the package as it is in src."""
        return self._base

    @contextmanager
    def changed(self, task: Task, source: str) -> Iterator[Path]:
        """A folder that holds the package with the task's definition from `source`.

        SpliceError when the source cannot take its place.
        """
        changed = self._base / self._course.package / task.file
        before = changed.read_text(encoding="utf-8")
        module = f"{self._course.package}.{task.module}"
        check_helpers(self._course, task, before, source)
        after = splice(before, task.name, source, module=module, replacing=replaceable(self._course, task))
        folder = Path(tempfile.mkdtemp(dir=self._folder))
        try:
            shutil.copytree(self._base / self._course.package, folder / self._course.package)
            (folder / self._course.package / task.file).write_text(after, encoding="utf-8")
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def copies(course: Course) -> Iterator[Copies]:
    with tempfile.TemporaryDirectory(prefix="odev-", ignore_cleanup_errors=True) as folder:
        yield Copies(course, Path(folder).resolve())


def collect(course: Course, *lessons: int) -> tuple[StepTest, ...]:
    """The tests of these lessons, of all without one, in their order. CourseError for a wrong mark."""
    files = _files(course, lessons)
    if not files:
        return ()
    written = tuple(
        (str(path), path.stat().st_mtime_ns)
        for path in (*files, *course.root.glob("tests/*.py"), *course.steps.glob(SETTINGS))
    )
    with _collecting:
        return _collect(course, files, written)


_collecting = threading.Lock()  # one at a time: the second finds what the first has found


@lru_cache(maxsize=8)
def _collect(course: Course, files: tuple[Path, ...], written: object) -> tuple[StepTest, ...]:
    """Once for each state of the files: a notebook's second check is a second faster."""
    with tempfile.TemporaryDirectory(prefix="odev-", ignore_cleanup_errors=True) as made:
        folder = Path(made)
        target = folder / "tests.json"
        arguments = [*_arguments(course), "--collect-only", "--odev-list", str(target), *map(str, files)]
        done = subprocess.run(
            [sys.executable, "-P", "-m", "pytest", *arguments],
            cwd=folder,
            env=limited_process.clean_environment(folder, [course.src, _odevs_own()]),
            capture_output=True,
            text=True,
            encoding="utf-8",
            errors="replace",
            check=False,
        )
        if done.returncode or not target.is_file():
            raise CourseError(f"the steps' tests cannot be collected:\n{done.stdout}{done.stderr}")
        return _listed(target)


def run(course: Course, package: Path, tasks: Iterable[TaskId], limits: Limits) -> Run:
    """These tasks' tests against the package in this folder, in a limited process of their own."""
    tasks = sorted(set(tasks))
    with tempfile.TemporaryDirectory(prefix="odev-", ignore_cleanup_errors=True) as made:
        folder = Path(made).resolve()
        work, control = folder / "work", folder / "control"
        work.mkdir()
        control.mkdir()
        report, started, job = control / "report.xml", control / "started", control / "job.json"
        listed = control / "tests.json"
        arguments = [
            *_arguments(course),
            f"--junitxml={report}",
            f"--odev-list={listed}",
            *(f"--odev-task={task}" for task in tasks),
            *map(str, _files(course, [task.lesson for task in tasks])),
            canary.__file__,
        ]
        told = {
            "limits": {
                "address_space": 2 * limits.memory,
                "file": limits.file,
                "processes": 512 + _threads_of_this_user(),
                "seconds": int(limits.seconds) + 5,
            },
            "started": str(started),
            "package": str(package),
            "arguments": arguments,
        }
        job.write_text(json.dumps(told), encoding="utf-8")
        outcome = limited_process.run(
            [sys.executable, "-P", "-m", "odev.grading.inside", str(job)],
            work,
            limited_process.clean_environment(work, [package, _odevs_own()]),
            limits,
        )
        return replace(read(report, started, outcome), listed=_listed(listed))


def _listed(path: Path) -> tuple[StepTest, ...]:
    told = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else []
    return tuple(step_test(each) for each in told)


def _files(course: Course, lessons: Sequence[int]) -> tuple[Path, ...]:
    every = sorted(course.steps.glob("test_[0-9][0-9]_*.py"))
    return tuple(path for path in every if not lessons or int(path.name[5:7]) in lessons)


def _odevs_own() -> Path:
    """The folder that odev is imported from; it comes after the copy, whose package hides the one here."""
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
        "--capture=no",  # what a test writes is counted by the sandbox, and is kept nowhere
        "--disable-plugin-autoload",
        "-pno:cacheprovider",
        "-podev.pytest_plugin",
    ]


def step_test(told: dict[str, str]) -> StepTest:
    """From the properties of its item. CourseError when its mark is not right."""
    nodeid = told["nodeid"]
    try:
        task, points, hint = TaskId.parse(told["task"]), int(told["points"]), told["hint"]
    except (KeyError, ValueError):
        raise CourseError(f'{nodeid} needs @pytest.mark.task("1.2", points=6, hint="…")') from None
    return StepTest(nodeid, task, points, hint)


def _threads_of_this_user() -> int:
    """What RLIMIT_NPROC counts on Linux, about: it is for all of a user's processes together."""
    if os.name != "posix" or os.getuid() == 0:
        return 0
    import psutil

    me = psutil.Process().uids().real
    found = 0
    for each in psutil.process_iter(["uids", "num_threads"]):
        if each.info["uids"] and each.info["uids"].real == me:
            found += each.info["num_threads"] or 1
    return found
