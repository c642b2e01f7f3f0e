"""What students handed in: folders, zips and notebooks, in whatever layout a platform made of them.

Only the tagged cells of the notebooks are taken, as text: never a test, a conftest, a
plugin or a module of a submission. Not here: the grading (submissions.py).
"""

from __future__ import annotations

import io
import os
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from odev.course.cells import LARGEST, TaskCell, TaskId, read_notebook
from odev.course.course import CourseError
from odev.grading.grader import is_stub

_NOT_THEIRS = {"solutions", "__MACOSX", "site-packages", "node_modules"}
_MOST_NOTEBOOKS = 200


@dataclass(frozen=True, slots=True)
class Submission:
    """`cells` holds the last cell of each task; `warnings` are Turkish."""

    name: str
    cells: dict[TaskId, TaskCell]
    warnings: tuple[str, ...] = ()


def find_submissions(paths: Iterable[Path], out: Path | None = None) -> dict[str, Path]:
    """By name. A path is a submission when it is a zip, a notebook, or a folder of one student's notebooks;
    of any other folder each folder, zip and notebook in it is one, `out` left aside.
    """
    found: list[Path] = []
    for path in paths:
        if not path.exists():
            raise CourseError(f"there is no {path}")
        found += [path] if _is_one(path) else sorted(filter(_may_be_one, path.iterdir()))
    found = [each for each in found if out is None or each.resolve() != out.resolve()]
    stems = [_stem(path) for path in found]
    named = {_readable(path.name if stems.count(_stem(path)) > 1 else _stem(path)): path for path in found}
    if len(named) < len(found):
        raise CourseError("two submissions have the same name")
    return named


def _is_one(path: Path) -> bool:
    if not path.is_dir() or (path / "lessons").is_dir():
        return True
    inside = [each for each in path.iterdir() if _may_be_one(each)]
    notebooks = [each for each in inside if each.suffix.lower() == ".ipynb"]
    others = [each for each in inside if each not in notebooks]
    if any(each.is_file() or any(_notebook_files(each)) for each in others):
        return False
    tasks = [cell.id for each in notebooks for cell in read_notebook(each.name, each.read_bytes()).cells]
    return len(tasks) == len(set(tasks)) or len(notebooks) < 2  # the same task twice: of two students


def _may_be_one(path: Path) -> bool:
    if path.name.startswith((".", "__")):
        return False
    return path.is_dir() or path.suffix.lower() in (".zip", ".ipynb")


def _readable(text: str) -> str:
    """A name from another system may not be UTF-8."""
    return os.fsencode(text).decode("utf-8", "replace")


def _stem(path: Path) -> str:
    path = path.resolve()
    return path.name if path.is_dir() else path.stem


def read_submission(name: str, path: Path) -> Submission:
    """Whatever lies there, this returns; what cannot be read is a warning."""
    cells: dict[TaskId, TaskCell] = {}
    warnings: list[str] = []
    try:
        notebooks = [read_notebook(where, content) for where, content in _notebooks(path)]
    except Exception as error:  # whatever a broken zip makes of zipfile and what is below it
        return Submission(name, {}, (_readable(f"{path.name} açılamadı: {error}"),))
    if not notebooks:
        warnings.append("içinde hiç notebook yok")
    for notebook in notebooks:
        if notebook.problem:
            warnings.append(notebook.problem)
        for cell in notebook.cells:
            known = cells.get(cell.id)
            if known is None or is_stub(known.source, known):
                cells[cell.id] = cell
            elif not is_stub(cell.source, cell):  # the lesson as it was given does not replace an answer
                warnings.append(
                    f"{cell.id} numaralı görev birden çok kez var, sonuncusu sayıldı ({notebook.name})"
                )
                cells[cell.id] = cell
    return Submission(name, cells, tuple(dict.fromkeys(warnings)))


def _notebooks(path: Path) -> Iterator[tuple[str, bytes]]:
    """Name and content, in the order of their paths; a zip within is looked into too. Nothing is unpacked,
    and no link is followed."""
    if path.is_file() and path.suffix.lower() == ".ipynb":
        yield _readable(path.name), _content(path)
    elif path.is_file():
        yield from _zipped(path, "")
    else:
        for file in sorted(_notebook_files(path))[:_MOST_NOTEBOOKS]:
            where = _readable(file.relative_to(path).as_posix())
            if file.suffix.lower() == ".zip":
                yield from _zipped(file, f"{where}/")
            else:
                yield where, _content(file)


def _notebook_files(folder: Path) -> Iterator[Path]:
    """Notebooks and zips below it that are the student's."""
    for file in folder.rglob("*"):
        if file.suffix.lower() in (".ipynb", ".zip") and file.is_file() and not file.is_symlink():
            where = PurePosixPath(file.relative_to(folder).as_posix())
            if file.resolve().is_relative_to(folder.resolve()) and _is_theirs(where):
                yield file


def _zipped(file: Path | IO[bytes], before: str, depth: int = 1) -> Iterator[tuple[str, bytes]]:
    with zipfile.ZipFile(file) as archive:
        infos = [each for each in archive.infolist() if _is_theirs(PurePosixPath(each.filename))]
        for info in sorted(infos, key=lambda each: each.filename)[:_MOST_NOTEBOOKS]:
            kind = PurePosixPath(info.filename).suffix.lower()
            if kind not in (".ipynb", ".zip") or info.is_dir():
                continue
            with archive.open(info) as packed:
                content = packed.read(LARGEST + 1)
            if kind == ".ipynb":
                yield before + info.filename, content
            elif depth:
                yield from _zipped(io.BytesIO(content), f"{before}{info.filename}/", depth - 1)


def _content(file: Path) -> bytes:
    with file.open("rb") as stream:
        return stream.read(LARGEST + 1)


def _is_theirs(path: PurePosixPath) -> bool:
    return not any(part in _NOT_THEIRS or part.startswith(".") for part in path.parts)
