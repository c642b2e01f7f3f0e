"""The exam: the student's own package, and beside it the course's unsafe script, through the same day.

About a minute, offline, with servers of its own. Not here: the day (day.py), the ten lines (lines.py), how
they look (report.py).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import wait
from functools import partial
from pathlib import Path

from odev.course.course import Course, find_course
from odev.course.files import temporary_folder
from odev.demo.demo import ASK, STREAM
from odev.exam.day import SCENES
from odev.exam.facts import Day
from odev.exam.installed import install, make_environment
from odev.exam.lane import LIMITS, live
from odev.exam.lines import RULES
from odev.exam.report import Exam, Line
from odev.grading.grader import judging_pool
from odev.grading.limited_process import Limits
from odev.student.package import make_project

# The template's own two mistakes, which lesson 00 repairs first: with them nothing is ever answered.
_REPAIRS = {", temperature=0.7": "", 'message["content"]': "message.content"}
_UNSAFE_LIMITS = Limits(seconds=15.0)  # where a model is silent, it would wait for half an hour


def run(
    package: Path | str | None = None,
    *,
    compare: bool = True,
    course: Course | None = None,
    progress: Callable[[int], None] = lambda total: None,
) -> Exam:
    """The exam of the package in this zip or folder; without one, of the student's own, as `odev package`
    makes it of the course.

    With `compare` the unsafe script goes through the same day. `progress` is called after each scene with
    the number of all scenes. What is wrong with the student's code costs lines. CourseError when there is no
    package, Busy (a CourseError) when the computer had no time for it.
    """
    course = course or find_course()
    programs: list[tuple[Mapping[str, str], Limits]] = [({}, LIMITS)]
    if compare:
        programs.append((unsafe_scripts(), _UNSAFE_LIMITS))
    step = partial(progress, len(SCENES) * len(programs))
    with temporary_folder() as folder:
        environment = make_environment(folder / "environment")
        if package is None:
            make_project(course, folder / "project")
        install(folder / "project" if package is None else Path(package), course.package, environment)
        with judging_pool(len(programs)) as pool:
            days = [
                pool.submit(live, environment.python, scripts, limits, progress=step)
                for scripts, limits in programs
            ]
            wait(days)
    return judge(*(day.result() for day in days))


def judge(own: Day, unsafe: Day | None = None) -> Exam:
    """The exam of these two days."""
    lines = tuple(
        Line(rule.title, rule.lesson, rule.judge(own), rule.judge(unsafe) if unsafe is not None else None)
        for rule in RULES
    )
    hours: dict[str, list[str]] = {}
    for hour, problem in own.problems.items():
        hours.setdefault(problem, []).append(hour)
    return Exam(lines, tuple(f"{_when(hours[problem])}: {problem}" for problem in hours))


def _when(hours: Sequence[str]) -> str:
    return "bütün gün" if len(hours) == len(SCENES) else ", ".join(hours)


def unsafe_scripts() -> Mapping[str, str]:
    """The sources of the two scripts without the package: one that asks, and one that streams."""
    ask = ASK[0].read_text(encoding="utf-8")
    for mistake, repair in _REPAIRS.items():
        ask = ask.replace(mistake, repair)
    return {"ask": ask, "stream": STREAM[0].read_text(encoding="utf-8")}
