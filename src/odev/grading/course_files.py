"""The files by which cells are judged, held in memory: the package, the tests, this course tool.

Each run gets them anew on disk, in a folder of its own. So a cell that writes into the
course, or into another run's folder, changes nothing for those that are judged after it.
Not here: the runs (steps.py).
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

    def write(self, folder: Path, changed: Mapping[str, str]) -> None:
        """Write them into the empty folder, those in `changed` with that text."""
        contents = {**self.contents, **{path: text.encode() for path, text in changed.items()}}
        stale = {_cache_of(path) for path in changed}
        for parent in {PurePosixPath(path).parent for path in contents}:
            (folder / parent).mkdir(parents=True, exist_ok=True)
        for path, content in contents.items():
            if _without_version(path) not in stale:
                (folder / path).write_bytes(content)

    def text(self, path: str) -> str:
        return self.contents[path].decode()


def course_files(course: Course) -> CourseFiles:
    """The files as they are now, with the bytecode that Python makes of them, so that no run has to."""
    contents = dict(_sources(course))
    with temporary_folder() as folder:
        CourseFiles(contents).write(folder, {})
        # Bytecode without a time of change: the copies' files have another one each.
        compileall.compile_dir(folder / "src", quiet=2, invalidation_mode=PycInvalidationMode.UNCHECKED_HASH)
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


def _cache_of(path: str) -> str:
    module = PurePosixPath(path)
    return f"{module.parent}/__pycache__/{module.stem}"


def _without_version(path: str) -> str:
    """`words` of `words.cpython-313.pyc`, with its folder."""
    return path.partition(".")[0] if path.endswith(".pyc") else ""
