"""Which tests of the steps pytest runs, and with which options: the same for every run, whoever starts it.

Not here: the process that they run in (steps.py, fork_server.py).
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from odev.course.course import Course

SETTINGS = "grading.ini"  # pytest's, beside the steps' tests


def options(course: Course) -> list[str]:
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
        "-pno:unraisableexception",  # it collects garbage at the end, for warnings that nobody reads
        "-podev.pytest_plugin",
    ]


def files_of_tests(course: Course, lessons: Sequence[int] = ()) -> tuple[Path, ...]:
    """The steps' tests of these lessons, by default of all."""
    files = sorted(course.steps.glob("test_[0-9][0-9]_*.py"))
    return tuple(path for path in files if not lessons or int(path.name[5:7]) in lessons)
