"""The cells that count of what a student handed in: the newest written cell of each task.

Only the tagged cells of the notebooks are taken, as text: never a test, a conftest, a
plugin or a module of a submission. Not here: finding it (handed_in.py), the grading
(grade.py).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from odev.course.cells import TaskCell, TaskId
from odev.grading.grader import is_stub
from odev.instructor.files import HandedInFile
from odev.instructor.handed_in import HandedIn, handed_in
from odev.instructor.reader import Read, Reader
from odev.instructor.uploads import Upload

_MOST_NAMES = 8
_PACKAGE = re.compile(r"(.*?)src/\w+/__init__\.py")


@dataclass(frozen=True, slots=True)
class Submission:
    """`cells` holds the cell of each task that counts; `warnings` are Turkish; `files` are all that were
    handed in.

    `time` is when the newest file that counts was changed last, in seconds since 1970; None for a student
    who handed nothing in.
    """

    name: str
    cells: dict[TaskId, TaskCell]
    warnings: tuple[str, ...] = ()
    upload: Upload | None = None
    time: float | None = None
    files: tuple[HandedInFile, ...] = field(default=(), compare=False, repr=False)


def read_path(path: Path) -> Submission:
    """The submission at this path. Nothing is raised: what cannot be read is a warning."""
    return read_submission(handed_in(path))


def read_submission(one: HandedIn) -> Submission:
    """The submission. Nothing is raised: what cannot be read is a warning."""
    notebooks, others = Reader().read(one.files)
    warnings = [one.problem] if one.problem else []
    warnings += [notebook.problem for notebook in notebooks if notebook.problem]
    if not notebooks and not one.problem:
        warnings.append("içinde hiç notebook yok")
    cells: dict[TaskId, TaskCell] = {}
    counts: dict[TaskId, Read] = {}
    for notebook in notebooks:
        for cell in notebook.cells:
            earlier = cells.get(cell.id)
            if earlier is not None and is_stub(cell.source, cell):
                continue  # the untouched lesson does not replace an answer
            if earlier is not None and not is_stub(earlier.source, earlier):
                text = f"{cell.id} numaralı görev birden çok kez var, sonuncusu sayıldı ({notebook.name})"
                warnings.append(text)
            cells[cell.id], counts[cell.id] = cell, notebook
    used = {notebook.name for notebook in counts.values()}
    unused = [notebook.name for notebook in notebooks if not notebook.problem and notebook.name not in used]
    if not any("lessons" in notebook.name.split("/")[:-1] for notebook in notebooks):  # else a whole course
        unused += _without_packages(others)
    warnings += _not_counted(unused)
    time = max((notebook.time for notebook in counts.values()), default=None)
    return Submission(one.name, cells, tuple(dict.fromkeys(warnings)), one.upload, time, one.files)


def _without_packages(names: Sequence[str]) -> list[str]:
    """The names without those of the projects that `odev package` makes: the exam takes these."""
    projects = {match[1] for name in names if (match := _PACKAGE.fullmatch(name))}
    own = tuple(
        f"{project}{part}" for project in projects for part in ("src/", "README.md", "pyproject.toml")
    )
    return [name for name in names if not name.startswith(own)]


def _not_counted(names: Sequence[str]) -> Iterator[str]:
    if names:
        more = f" ve {len(names) - _MOST_NAMES} dosya daha" if len(names) > _MOST_NAMES else ""
        yield f"sayılmayan dosyalar: {', '.join(names[:_MOST_NAMES])}{more}"
