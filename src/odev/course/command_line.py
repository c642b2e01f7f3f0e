"""What all commands of the shell share: the course of the current folder, errors in one line, a progress bar.

Not here: the commands (__main__.py, instructor/commands.py).
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

import typer
from rich.console import Console

from odev.course.answer import SpliceError
from odev.course.course import Course, CourseError, find_course
from odev.course.marker import BrokenMarker

_LONGEST_TIMEOUT = 3_600  # seconds


@contextmanager
def in_course() -> Iterator[Course]:
    """The course of the current folder. What is wrong with the course, with a file or with an argument ends
    the command with its reason and exit code 2, without a traceback."""
    try:
        yield find_course()
    except (typer.Exit, typer.Abort):
        raise
    except (CourseError, SpliceError, BrokenMarker) as error:
        reason = str(error)
    except OSError as error:
        reason = f"{error.filename or ''}: {error.strerror or error}".removeprefix(": ")
    except Exception as error:
        own = [frame for frame in traceback.extract_tb(error.__traceback__) if "odev" in frame.filename]
        place = f"{Path(own[-1].filename).name}, {own[-1].lineno}. satır"
        reason = f"Beklenmeyen bir hata ({place}): {type(error).__name__}: {error}"
    else:
        return
    Console(stderr=True, soft_wrap=True).print(reason, style="red", markup=False)
    raise typer.Exit(2)


def check_lessons(course: Course, lessons: Collection[int]) -> None:
    """CourseError when there is no such lesson."""
    known = sorted({int(path.name[:2]) for path in course.notebooks()})
    for lesson in lessons:
        if lesson not in known:
            raise CourseError(f"{lesson} numaralı ders yok; olanlar: {', '.join(map(str, known))}")


def check_jobs(jobs: int | None) -> None:
    if jobs is not None and jobs < 1:
        raise CourseError(f"--jobs en az 1 olmalı, {jobs} değil")


def check_timeout(seconds: float) -> None:
    if not 0 < seconds <= _LONGEST_TIMEOUT:  # not a number is in no order with any
        raise CourseError(f"--timeout 0 ile {_LONGEST_TIMEOUT} arasında saniye olmalı, {seconds:g} değil")


@contextmanager
def progress_bar(label: str) -> Iterator[Callable[[int], None]]:
    """A bar that moves one step at each call; the argument is the total. Without a terminal, ten lines."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    console = Console(stderr=True)
    if not console.is_terminal:
        yield _lines(label, console)
        return
    columns = (TextColumn(label), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        bar = progress.add_task(label, total=None)
        yield lambda total: progress.update(bar, total=total, advance=1)


def _lines(label: str, console: Console) -> Callable[[int], None]:
    done = 0

    def one_more(total: int) -> None:
        nonlocal done
        done += 1
        if 10 * done // total > 10 * (done - 1) // total:
            console.print(f"{label}: {done}/{total}", highlight=False)

    return one_more
