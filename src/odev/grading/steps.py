"""Runs the steps' tests against a copy of the course.

Not here: the copies (course_copies.py), the limited process (limited_process.py), what
its report says (junit.py), points and Turkish messages (grader.py).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

from odev.course.cells import TaskId
from odev.course.course import Course, CourseError
from odev.course.files import file_states, temporary_folder
from odev.grading import inside
from odev.grading.canary import write_canaries
from odev.grading.course_copies import CourseCopy
from odev.grading.junit import LARGEST_REPORT, Run, StepTest, read_bytes, read_report
from odev.grading.limited_process import Limits, Outcome, clean_environment, new_process, run_limited
from odev.grading.pytest_options import SETTINGS, files_of_tests, options


def collect(course: Course, *lessons: int) -> tuple[StepTest, ...]:
    """The tests of these lessons, by default of all, in their order. CourseError for a wrong mark."""
    files = files_of_tests(course, lessons)
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
        arguments = [*options(course), "--collect-only", "--odev-list", str(target), *map(str, files)]
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


def run_tests(copy: CourseCopy, tasks: Iterable[TaskId], limits: Limits, *more_options: str) -> Run:
    """Run these tasks' tests against the package in the copy, in a limited process of their own or a fork.

    `more_options` are for pytest.
    """
    with temporary_folder() as folder:
        run = prepare(copy.course, tasks, limits, folder, *more_options)
        environment = clean_environment(run.work, [copy.package])
        if copy.server is not None:
            start = copy.server.fork(run.job_file, run.work, environment)
        else:
            command = [sys.executable, "-P", "-m", inside.__name__, str(run.job_file)]
            start = new_process(command, run.work, environment)
        before = file_states(copy.course.root)
        outcome = run_limited(start, limits, run.started.is_file)
        copy.is_spoilt = (
            file_states(copy.course.root) != before
            or not run.job_file.is_file()
            or (copy.server is not None and not copy.server.is_sound)
        )
        return replace(run.read(outcome), spoilt=copy.is_spoilt)


@dataclass(frozen=True, slots=True)
class Prepared:
    """A run of tests before it begins: the job for inside.py, the folder `work` that it runs in, and the
    files that it will write: `started` when its first test begins."""

    job_file: Path
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
    course: Course, tasks: Iterable[TaskId], limits: Limits, folder: Path, *more_options: str
) -> Prepared:
    """Prepare a run of these tasks' tests, of this copy of the course, in the empty folder."""
    tasks = sorted(set(tasks))
    work, control = folder / "work", folder / "control"
    work.mkdir()
    control.mkdir()
    report, started, listed = control / "report.xml", control / "started", control / "tests.json"
    canaries, names = write_canaries(control)
    arguments = [
        *options(course),
        "--tb=line",  # nobody reads how pytest shows a failure, and the source's lines take it long to find
        *more_options,
        f"--junitxml={report}",
        f"--odev-list={listed}",
        *(f"--odev-task={task}" for task in tasks),
        *map(str, files_of_tests(course, [task.lesson for task in tasks])),
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
        "package": str(course.src / course.package),
        "arguments": arguments,
    }
    job_file = control / "job.json"
    # The process is in Python's UTF-8 mode: it reads a path's bytes as UTF-8, whatever they are here.
    text = json.dumps(job, ensure_ascii=False)
    job_file.write_text(text, encoding="utf-8", errors="surrogateescape")
    return Prepared(job_file, work, started, report, listed, names)


def _listed(path: Path) -> tuple[StepTest, ...]:
    tests = json.loads(read_bytes(path, LARGEST_REPORT) or b"[]")
    return tuple(step_test(properties) for properties in tests)


def _folder_of_odev() -> Path:
    """The folder that odev is imported from."""
    return Path(__file__).resolve().parents[2]


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
