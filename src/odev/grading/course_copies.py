"""Copies of the course on disk, in which answers are judged: each for one run at a time, again and again.

For a run the modules of the tasks that it is about are written anew. A copy whose files a
run has changed is thrown away. Not here: what the files hold (course_files.py), the run
(steps.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager, suppress
from functools import cached_property
from pathlib import Path

from odev.course.answer import SpliceError
from odev.course.course import Course, Task
from odev.course.files import temporary_folder
from odev.course.students_copy import check_helpers, replaceable
from odev.grading import fork_server
from odev.grading.course_files import CourseFiles, course_files
from odev.grading.fork_server import ForkServer


class CourseCopy:
    """One copy. Where `server` is not None, the copy's tests run in its forks. Close it at the end."""

    def __init__(self, files: CourseFiles, package: str) -> None:
        self._stack = ExitStack()
        self._folder = self._stack.enter_context(temporary_folder())
        self.course = Course(self._folder / "course", package)
        self.course.root.mkdir()
        files.write(self.course.root)
        self.server: ForkServer | None = None
        self.is_spoilt = False

    @property
    def package(self) -> Path:
        """The folder that Python finds the package in."""
        return self.course.src

    def write(self, modules: Mapping[str, str]) -> None:
        for file, text in modules.items():
            (self.course.src / self.course.package / file).write_bytes(text.encode())

    def start_server(self) -> None:
        """From now on, tests run in forks. OSError when the server cannot begin."""
        self.server = self._stack.enter_context(fork_server.serving(self.course, self._folder))

    def close(self) -> None:
        self._stack.close()


class Copies:
    """Makes copies of the course, in which answers stand. What is on disk counts once, when this is made."""

    def __init__(self, course: Course, *, in_forks: bool) -> None:
        self._course = course
        self._files = course_files(course)
        self._in_forks = in_forks and fork_server.POSSIBLE
        self._free: list[CourseCopy] = []

    def source(self, task: Task) -> str:
        """The task's module as it is in src."""
        return self._text(task.file)

    def spliced(self, task: Task, source: str) -> str:
        """The task's module with its definition from `source`. SpliceError when that does not fit."""
        check_helpers(self._course, task, source)
        return self._course.splice(task, self.source(task), source, replacing=replaceable(self._course, task))

    @contextmanager
    def changed(self, task: Task, source: str) -> Iterator[CourseCopy]:
        """A copy with the task's definition from `source`. SpliceError when it cannot take its place."""
        with self.with_modules({task.file: self.spliced(task, source)}) as copy:
            yield copy

    @contextmanager
    def stubbed(self, tasks: Iterable[Task]) -> Iterator[CourseCopy]:
        """A copy with the stubs of these tasks, as a student's copy has them."""
        with self.with_modules(self._stubs(tasks)) as copy:
            yield copy

    @contextmanager
    def with_modules(self, modules: Mapping[str, str]) -> Iterator[CourseCopy]:
        """A copy with these texts of modules, by the name of their file in the package."""
        copy = self._free.pop() if self._free else self._new()
        copy.is_spoilt = True  # until the run is over
        try:
            copy.write(modules)
            yield copy
        finally:
            if copy.is_spoilt:
                copy.close()
            else:
                copy.write({file: self._text(file) for file in modules})
                self._free.append(copy)

    def close(self) -> None:
        while self._free:
            self._free.pop().close()

    def _new(self) -> CourseCopy:
        copy = CourseCopy(self._files, self._course.package)
        if self._in_forks:
            copy.write(self._all_stubs)
            with suppress(OSError):  # then the tests run in processes of their own
                copy.start_server()
            copy.write({file: self._text(file) for file in self._all_stubs})
        return copy

    @cached_property
    def _all_stubs(self) -> dict[str, str]:
        """What a fork server sees of the tasks' modules: none of its forks can find a solution in memory."""
        modules: dict[str, str] = {}
        for task in self._course.tasks:
            with suppress(SpliceError, LookupError, SyntaxError):  # `verify` reports a stub that does not fit
                modules |= self._stubs([task], modules)
        return modules

    def _stubs(self, tasks: Iterable[Task], before: Mapping[str, str] = {}) -> dict[str, str]:
        modules = dict(before)
        for task in tasks:
            text = modules.get(task.file) or self.source(task)
            modules[task.file] = self._course.splice(task, text, self._course.stubs[task.id])
        return modules

    def _text(self, file: str) -> str:
        return self._files.text(f"src/{self._course.package}/{file}")


@contextmanager
def copies(course: Course, *, in_forks: bool = False) -> Iterator[Copies]:
    """A maker of copies, which are gone at the end.

    With `in_forks`, tests run in forks of a process that has imported all libraries, where the system can
    fork: five times as fast, after two seconds for each copy.
    """
    with closing(Copies(course, in_forks=in_forks)) as made:
        yield made
