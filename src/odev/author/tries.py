"""Runs the tests with many sources of one task's module: one process for the task, a fork of it for each.

A run in a process that starts anew takes two seconds, most of them to import what has not changed. A fork
takes a fraction of that, and leaves the same report. Where it leaves none (its time was over, the process
died, this system has no fork) the run is repeated as students' answers are run: `run_tests` decides then.
Not here: what happens in that process (forks.py).
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from odev.author import forks
from odev.course.cells import TaskId
from odev.course.course import Course, CourseError, Task
from odev.course.files import temporary_folder
from odev.course.splice import definition_source
from odev.grading.junit import Run
from odev.grading.limited_process import Ended, Limits, Outcome, clean_environment
from odev.grading.steps import Copies, Prepared, prepare


@dataclass(frozen=True, slots=True)
class Try:
    """The whole source of the module, and the tasks whose tests run."""

    source: str
    tasks: Sequence[TaskId]


def try_all(
    course: Course,
    package_copies: Copies,
    task: Task,
    tries: Sequence[Try],
    limits: Limits,
    *options: str,
) -> list[Run]:
    """The run of each. `options` are for pytest.

    A run ends after `limits.seconds` by the clock. CourseError when nothing can be tried.
    """
    if not forks.POSSIBLE:
        raise CourseError("this system cannot fork")
    reference = definition_source(package_copies.source(task), task.name)
    all_tasks = {id for one in tries for id in one.tasks}
    with temporary_folder() as folder, package_copies.changed(task, reference) as package:
        collecting, *runs = (
            _prepare(course, package, tasks, limits, folder / str(number), *options)
            for number, tasks in enumerate([all_tasks, *(one.tasks for one in tries)])
        )
        results = folder / "results.json"
        job = {
            "package": str(package),
            "module": str(package / course.package / task.file),
            "tests": str(package.parent / "tests"),
            "collect": collecting.job["arguments"],
            "seconds": int(limits.seconds),
            "tries": [
                {
                    "source": one.source,
                    "job": run.job,
                    "work": str(run.work),
                    "output": str(_output(run)),
                    "environment": clean_environment(run.work, [package]),
                }
                for one, run in zip(tries, runs, strict=True)
            ],
            "results": str(results),
        }
        job_file = folder / "job.json"
        job_file.write_text(json.dumps(job), encoding="utf-8")
        process = subprocess.run(
            [sys.executable, "-P", "-m", forks.__name__, str(job_file)],
            cwd=folder,
            env=clean_environment(folder, [package]),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            encoding="utf-8",
            errors="replace",
            check=False,
        )
        if not results.is_file():
            output = (process.stdout + process.stderr)[-2000:]
            raise CourseError(f"task {task.id}: nothing can be tried in forks:\n{output}")
        codes = json.loads(results.read_text(encoding="utf-8"))
        return [run.read(_outcome(run, code, limits)) for run, code in zip(runs, codes, strict=True)]


def _prepare(
    course: Course, package: Path, tasks: Iterable[TaskId], limits: Limits, folder: Path, *options: str
) -> Prepared:
    folder.mkdir()
    return prepare(course, package, tasks, limits, folder, *options)


def _output(run: Prepared) -> Path:
    return run.work.with_name("output")


def _outcome(run: Prepared, code: int, limits: Limits) -> Outcome:
    if forks.ran_out_of_time(code):
        ended = Ended.TIME
    elif _output(run).stat().st_size > limits.output:
        ended = Ended.OUTPUT
    else:
        ended = Ended.ITSELF
    return Outcome(ended, code, _output(run).read_text(encoding="utf-8", errors="replace")[-2000:])
