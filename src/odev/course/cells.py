"""The cells of a notebook, read as text and never run.

A task cell begins with its tag, `#| odev 1.2 call.reply.read_reply`: the task's id,
then the module and the definition within the package. Nothing else counts: no
cell metadata, no cell id. Not here: the definitions in a cell (splice.py).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import NamedTuple, Self

from odev.course.splice import SpliceError, parse_cell

LARGEST_NOTEBOOK = 50_000_000  # bytes, outputs included; a larger one is not read
_LONGEST_CELL = 1_000_000  # characters
_MOST_VALUES = 2_000_000  # of JSON: small ones take a hundred times their bytes of memory

# A formatter may put a space into `#|`, and a student a comment behind the tag.
_TAG = re.compile(r"#\s*\|\s*odev\s+(\d{1,3})\.(\d{1,3})\s+([A-Za-z_][\w.]*)\.([A-Za-z_]\w*)\s*(?:#.*)?")


class TaskId(NamedTuple):
    """1.2: the second task of lesson 1."""

    lesson: int
    number: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """ValueError for anything but `1.2`."""
        lesson, number = text.split(".")
        return cls(int(lesson), int(number))

    def __str__(self) -> str:
        return f"{self.lesson}.{self.number}"


@dataclass(frozen=True, slots=True)
class TaskCell:
    """A tagged cell, tag line included."""

    id: TaskId
    module: str
    name: str
    source: str


@dataclass(frozen=True, slots=True)
class Notebook:
    """The tagged cells of one file, in their order, and its first heading.

    `problem` (Turkish) says why the file, or a cell of it, could not be read; it is empty for any other.
    """

    name: str
    cells: tuple[TaskCell, ...] = ()
    problem: str = ""
    title: str = ""


def task_cell(source: str) -> TaskCell | None:
    """The task cell; None without a tag. Above the tag only comments, `%%time` and empty lines may stand."""
    stripped = source.lstrip("\n\r \t\ufeff")
    for line in map(str.strip, stripped.split("\n")):
        match = _TAG.fullmatch(line)
        if match is not None:
            lesson, number, module, name = match.groups()
            return TaskCell(TaskId(int(lesson), int(number)), module, name, _without_ipython(stripped))
        if line and not line.startswith(("#", "%%")):
            break
    return None


def _without_ipython(source: str) -> str:
    """`pass` in place of the lines that only IPython knows (`%timeit …`, `!pip …`); no line moves."""
    with suppress(SpliceError):
        parse_cell(source)
        return source
    lines = [
        re.sub(r"\S.*", "pass", line) if line.lstrip().startswith(("%", "!")) else line
        for line in source.split("\n")
    ]
    return "\n".join(lines)


def task_cells(sources: Iterable[str]) -> tuple[TaskCell, ...]:
    return tuple(cell for cell in map(task_cell, sources) if cell is not None)


def read_notebook(name: str, content: bytes) -> Notebook:
    """The notebook. Nothing is raised: one that cannot be read has a problem and no cells, and a cell that
    cannot be read costs itself alone."""
    if len(content) > LARGEST_NOTEBOOK:
        return too_large(name, len(content))
    if sum(map(content.count, (b"[", b"{", b","))) > _MOST_VALUES:
        return Notebook(name, problem=f"{name} çok fazla parçadan oluşuyor, okunmadı")
    try:
        cells = json.loads(content.decode("utf-8-sig"))["cells"]
        if not isinstance(cells, list):
            raise TypeError(f"cells are a list, not {type(cells).__name__}")
    except (ValueError, LookupError, TypeError, RecursionError):
        return Notebook(name, problem=f"{name} okunamadı: geçerli bir notebook (JSON) değil")
    sources: list[str] = []
    headings: list[str] = []
    problem = ""
    for number, cell in enumerate(cells, 1):
        try:
            kind, source = cell.get("cell_type"), _source(cell)
        except (LookupError, TypeError, AttributeError):
            problem = problem or f"{name} içinde {number}. hücre bozuk, o okunmadı"
            continue
        if kind == "markdown":
            headings += [line[2:].strip() for line in source.split("\n") if line.startswith("# ")]
        elif kind == "code" and len(source) > _LONGEST_CELL:
            problem = problem or f"{name} içinde çok uzun bir hücre var, o okunmadı"
        elif kind == "code":
            sources.append(source)
    return Notebook(name, task_cells(sources), problem, next(iter(headings), ""))


def too_large(name: str, size: int) -> Notebook:
    """A notebook that is not read because it has so many bytes."""
    return Notebook(name, problem=f"{name} çok büyük ({size // 1_000_000} MB), okunmadı")


def _source(cell: dict[str, object]) -> str:
    """nbformat allows a string or a list of lines."""
    source = cell["source"]
    text = "".join(source) if isinstance(source, list) else source
    if not isinstance(text, str):
        raise TypeError(f"a cell's source is text, not {type(text).__name__}")
    return text.replace("\r\n", "\n")
