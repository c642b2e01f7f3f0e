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
from odev.course.files import temporary_folder
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


def digests(course: Course) -> dict[str, str]:
    """A digest of each file by which the course judges, as it is on disk now."""
    return {path: hashlib.sha256(content).hexdigest() for path, content in _sources(course)}


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
