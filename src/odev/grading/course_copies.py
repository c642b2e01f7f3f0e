"""Copies of the course on disk, in which answers are judged: each for one run at a time, again and again.

For a run the modules of the tasks that it is about are written anew. A copy whose files a
run has changed is thrown away. Not here: what the files hold (course_files.py), the run
(steps.py).
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from functools import cached_property
from pathlib import Path

from odev.course.answer import SpliceError
from odev.course.course import Course, Task
from odev.course.files import temporary_folder
from odev.course.students_copy import check_helpers, replaceable
from odev.grading import fork_server
from odev.grading.course_files import course_files
from odev.grading.fork_server import ForkServer


class CourseCopy:
    """One copy. Where `server` is not None, it runs the copy's tests in forks."""

    def __init__(self, root: Path, package: str) -> None:
        self.course = Course(root, package)
        self.server: ForkServer | None = None
        self.is_spoilt = False

    @property
    def package(self) -> Path:
        """The folder that Python finds the package in."""
        return self.course.src

    def files(self) -> dict[str, tuple[int, ...]]:
        """Each file with what changes when somebody writes into it; without those that go meanwhile."""
        found: dict[str, tuple[int, ...]] = {}
        pending = [str(self.course.root)]
        while pending:
            with suppress(OSError), os.scandir(pending.pop()) as entries:
                for entry in entries:
                    with suppress(OSError):
                        state = entry.stat(follow_symlinks=False)
                        found[entry.path] = (state.st_size, state.st_mtime_ns, state.st_ctime_ns)
                        if entry.is_dir(follow_symlinks=False):
                            pending.append(entry.path)
        return found


class Copies:
    """Makes copies of the course, in which answers stand. What is on disk counts once, when this is made."""

    def __init__(self, course: Course, stack: ExitStack, *, in_forks: bool) -> None:
        self._course = course
        self._files = course_files(course)
        self._stack = stack
        self._in_forks = in_forks and fork_server.POSSIBLE
        self._free: list[CourseCopy] = []

    def source(self, task: Task) -> str:
        """The task's module as it is in src."""
        return self._files.text(self._path(task.file))

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
        self._write(copy, modules)
        copy.is_spoilt = True  # until the run is over
        yield copy
        if not copy.is_spoilt:
            self._write(copy, {file: self._files.text(self._path(file)) for file in modules})
            self._free.append(copy)

    def _new(self) -> CourseCopy:
        folder = self._stack.enter_context(temporary_folder())
        copy = CourseCopy(folder / "course", self._course.package)
        copy.course.root.mkdir()
        self._files.write(copy.course.root)
        if self._in_forks:
            self._write(copy, self._all_stubs)
            with suppress(OSError):  # it did not begin: then the tests run in processes of their own
                copy.server = self._stack.enter_context(fork_server.serving(copy.course, folder))
            self._write(copy, {file: self._files.text(self._path(file)) for file in self._all_stubs})
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

    def _write(self, copy: CourseCopy, modules: Mapping[str, str]) -> None:
        for file, text in modules.items():
            (copy.course.root / self._path(file)).write_bytes(text.encode())

    def _path(self, file: str) -> str:
        return f"src/{self._course.package}/{file}"


@contextmanager
def copies(course: Course, *, in_forks: bool = False) -> Iterator[Copies]:
    """A maker of copies, which are gone at the end.

    With `in_forks`, tests run in forks of a process that has imported all libraries, where the system can
    fork: five times as fast, after two seconds for each copy.
    """
    with ExitStack() as stack:
        yield Copies(course, stack, in_forks=in_forks)
