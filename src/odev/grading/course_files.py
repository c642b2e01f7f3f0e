"""The files by which cells are judged, held in memory: the package, the tests, this course tool.

Copies on disk are made from these bytes, never from the course's own folder. So a cell
that writes there changes nothing for those that are judged after it. Not here: the
copies (course_copies.py), the runs (steps.py).
"""

from __future__ import annotations

import compileall
import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from py_compile import PycInvalidationMode

from odev.course.course import Course
from odev.course.files import file_states, temporary_folder
from odev.course.package_files import package_files

_TOOL = Path(__file__).resolve().parents[1]


@dataclass(frozen=True, slots=True)
class CourseFiles:
    """`contents` by the path in a folder that is laid out like a course."""

    contents: Mapping[str, bytes]

    def write(self, folder: Path) -> None:
        """Write them into the empty folder."""
        for parent in {PurePosixPath(path).parent for path in self.contents}:
            (folder / parent).mkdir(parents=True, exist_ok=True)
        for path, content in self.contents.items():
            (folder / path).write_bytes(content)

    def text(self, path: str) -> str:
        return self.contents[path].decode()


def course_files(course: Course) -> CourseFiles:
    """The files as they are now, with the bytecode that Python makes of them, so that no run has to."""
    contents = dict(_sources(course))
    with temporary_folder() as folder:
        CourseFiles(contents).write(folder)
        # Bytecode that knows its source by a hash: the copies' files have other times of change.
        compileall.compile_dir(folder / "src", quiet=2, invalidation_mode=PycInvalidationMode.CHECKED_HASH)
        for path in (folder / "src").rglob("__pycache__/*.pyc"):
            contents[path.relative_to(folder).as_posix()] = path.read_bytes()
    return CourseFiles(contents)


def _digests(course: Course) -> dict[str, str]:
    return {path: hashlib.sha256(content).hexdigest() for path, content in _sources(course)}


class Watched:
    """Notices when the files by which the course judges change on disk."""

    def __init__(self, course: Course) -> None:
        self._course = course
        self._states = self._states_now()
        self._digests = _digests(course)

    def changed(self) -> list[str]:
        """The files that are others than at first. OSError when one cannot be read."""
        states = self._states_now()
        if states == self._states:
            return []
        now = _digests(self._course)
        if now == self._digests:  # Python has written its caches, say
            self._states = states
        return sorted({path for path, _ in self._digests.items() ^ now.items()})

    def _states_now(self) -> dict[str, tuple[int, ...]]:
        folders = (self._course.src / self._course.package, _TOOL, self._course.steps.parent)
        return {path: state for folder in folders for path, state in file_states(folder).items()}


def _sources(course: Course) -> Iterator[tuple[str, bytes]]:
    for folder, where in (
        (course.src / course.package, f"src/{course.package}"),
        (_TOOL, f"src/{_TOOL.name}"),
        (course.steps, "tests/steps"),
    ):
        for path in package_files(folder):
            yield f"{where}/{path.relative_to(folder).as_posix()}", path.read_bytes()
    for path in sorted(course.steps.parent.glob("*.py")):
        yield f"tests/{path.name}", path.read_bytes()
