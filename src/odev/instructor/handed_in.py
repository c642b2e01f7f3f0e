"""Reads what students handed in: folders, zips and notebooks, in the layouts of different platforms.

Only the tagged cells of the notebooks are taken, as text: never a test, a conftest, a
plugin or a module of a submission. Not here: the grading (grade.py).
"""

from __future__ import annotations

import io
import os
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from odev.course.cells import LARGEST_NOTEBOOK, Notebook, TaskCell, TaskId, read_notebook, too_large
from odev.course.course import CourseError
from odev.grading.grader import is_stub

_NOT_THE_STUDENTS = {"solutions", "__MACOSX", "site-packages", "node_modules"}
_MOST_NOTEBOOKS = 200
_MOST_BYTES = 300_000_000  # of one submission's notebooks, unpacked


@dataclass(frozen=True, slots=True)
class Submission:
    """`cells` holds the last cell of each task; `warnings` are Turkish."""

    name: str
    cells: dict[TaskId, TaskCell]
    warnings: tuple[str, ...] = ()


def find_submissions(paths: Iterable[Path], out: Path | None = None) -> dict[str, Path]:
    """The submissions by name.

    A zip, a notebook and a folder with one student's notebooks are a submission. In any other folder each
    folder, zip and notebook is one, except `out`. CourseError when a path does not exist, or when two
    submissions have the same name.
    """
    submissions: list[Path] = []
    for path in paths:
        if not path.exists():
            raise CourseError(f"there is no {path}")
        submissions += [path] if _is_submission(path) else sorted(filter(_may_be_submission, path.iterdir()))
    submissions = [path for path in submissions if out is None or path.resolve() != out.resolve()]
    stems = [_stem(path) for path in submissions]
    by_name = {
        _readable(path.name if stems.count(_stem(path)) > 1 else _stem(path)): path for path in submissions
    }
    if len(by_name) < len(submissions):
        raise CourseError("two submissions have the same name")
    return by_name


def _is_submission(path: Path) -> bool:
    if not path.is_dir() or (path / "lessons").is_dir():
        return True
    inside = [child for child in path.iterdir() if _may_be_submission(child)]
    notebooks = [child for child in inside if child.suffix.lower() == ".ipynb"]
    others = [child for child in inside if child not in notebooks]
    if any(child.is_file() or any(_notebook_files(child)) for child in others):
        return False
    tasks = [cell.id for file in notebooks for cell in _Reader().notebook(file, file.name).cells]
    return len(tasks) == len(set(tasks)) or len(notebooks) < 2  # the same task twice: two students


def _may_be_submission(path: Path) -> bool:
    if path.name.startswith((".", "__")) or path.is_symlink():
        return False
    return path.is_dir() or (path.is_file() and path.suffix.lower() in (".zip", ".ipynb"))


def _readable(text: str) -> str:
    """The text as UTF-8: a file name from another system may be in another encoding."""
    return os.fsencode(text).decode("utf-8", "replace")


def _stem(path: Path) -> str:
    path = path.resolve()
    return path.name if path.is_dir() else path.stem


def read_submission(name: str, path: Path) -> Submission:
    """The submission at this path. Nothing is raised: what cannot be read is a warning."""
    cells: dict[TaskId, TaskCell] = {}
    warnings: list[str] = []
    try:
        notebooks = list(_Reader().notebooks(path))
    except Exception as error:  # a broken zip can raise almost anything in zipfile
        return Submission(name, {}, (_readable(f"{path.name} açılamadı: {error}"),))
    if not notebooks:
        warnings.append("içinde hiç notebook yok")
    for notebook in notebooks:
        if notebook.problem:
            warnings.append(notebook.problem)
        for cell in notebook.cells:
            earlier = cells.get(cell.id)
            if earlier is None or is_stub(earlier.source, earlier):
                cells[cell.id] = cell
            elif not is_stub(cell.source, cell):  # the untouched lesson does not replace an answer
                warnings.append(
                    f"{cell.id} numaralı görev birden çok kez var, sonuncusu sayıldı ({notebook.name})"
                )
                cells[cell.id] = cell
    return Submission(name, cells, tuple(dict.fromkeys(warnings)))


class _Reader:
    """Reads the notebooks of one submission, as many bytes as there is room for.

    Nothing is unpacked, and no link is followed. One notebook at a time is in memory.
    """

    def __init__(self) -> None:
        self._room = _MOST_BYTES

    def notebooks(self, path: Path) -> Iterator[Notebook]:
        """The notebooks, also those in a zip within, in the order of their paths."""
        if path.is_file() and path.suffix.lower() == ".ipynb":
            yield self.notebook(path, path.name)
        elif path.is_file():
            yield from self._zipped(path, "")
        else:
            for file in sorted(_notebook_files(path))[:_MOST_NOTEBOOKS]:
                where = file.relative_to(path).as_posix()
                if file.suffix.lower() == ".zip":
                    yield from self._zipped(file, f"{_readable(where)}/")
                else:
                    yield self.notebook(file, where)

    def notebook(self, file: Path, name: str) -> Notebook:
        """The notebook in this file; one that is too large is not even opened."""
        size = file.stat().st_size
        if size > self._most:
            return too_large(_readable(name), size)
        with file.open("rb") as stream:
            return read_notebook(_readable(name), self._content(stream, size))

    def _zipped(self, file: Path | IO[bytes], before: str, depth: int = 1) -> Iterator[Notebook]:
        with zipfile.ZipFile(file) as archive:
            infos = [info for info in archive.infolist() if _is_from_student(PurePosixPath(info.filename))]
            for info in sorted(infos, key=lambda info: info.filename)[:_MOST_NOTEBOOKS]:
                name, kind = before + info.filename, PurePosixPath(info.filename).suffix.lower()
                if kind not in (".ipynb", ".zip") or info.is_dir():
                    continue
                if info.file_size > self._most:
                    yield too_large(name, info.file_size)
                    continue
                with archive.open(info) as packed:
                    content = self._content(packed, info.file_size)
                if kind == ".ipynb":
                    yield read_notebook(name, content)
                elif depth:
                    yield from self._zipped(io.BytesIO(content), f"{name}/", depth - 1)

    @property
    def _most(self) -> int:
        return min(LARGEST_NOTEBOOK, self._room)

    def _content(self, stream: IO[bytes], size: int) -> bytes:
        """As many bytes as it says to have: a zip that says too little gives no notebook."""
        self._room -= size
        return stream.read(size)


def _notebook_files(folder: Path) -> Iterator[Path]:
    """The student's notebooks and zips in this folder and in the folders below."""
    for file in folder.rglob("*"):
        if file.suffix.lower() in (".ipynb", ".zip") and file.is_file() and not file.is_symlink():
            where = PurePosixPath(file.relative_to(folder).as_posix())
            if file.resolve().is_relative_to(folder.resolve()) and _is_from_student(where):
                yield file


def _is_from_student(path: PurePosixPath) -> bool:
    """Whether the student may have written this file: it is not the course's, a tool's or hidden."""
    return not any(part in _NOT_THE_STUDENTS or part.startswith(".") for part in path.parts)
