"""The cells of a notebook, read as text and never run.

A task cell begins with its tag, `#| odev 1.2 call.reply.checked_reply`: the task's id,
then the module and the definition within the package. `given` behind them says that
earlier lessons use what src has there (instructor/release.py). Nothing else counts: no
cell metadata, no cell id. Not here: the definitions in a cell (splice.py).
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import NamedTuple, Self

from odev.course.answer import SpliceError, parse_cell

LARGEST_NOTEBOOK = 50_000_000  # bytes, outputs included; a larger one is not read
_LONGEST_CELL = 1_000_000  # characters
_MOST_CELLS = 5_000
_MOST_VALUES = 2_000_000  # of JSON: small ones take a hundred times their bytes of memory

# A formatter may put a space into `#|`, and a student a comment behind the tag.
_TAG = re.compile(
    r"#\s*\|\s*odev\s+(\d{1,3})\.(\d{1,3})\s+([A-Za-z_][\w.]*)\.([A-Za-z_]\w*)(\s+given)?\s*(?:#.*)?"
)

_IPYTHONS_LINE = re.compile(r"^[ \t]*[%!?,;/]|=[ \t]*[%!]|\?[ \t]*$", re.MULTILINE)
_MOST_READ = (
    200_000  # characters; IPython reads the whole cell again for each such line, a second for so many
)


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
    """A tagged cell, tag line included, as Python: what only IPython knows is `None`."""

    id: TaskId
    module: str
    name: str
    source: str
    given: bool = False


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
    lines = source.lstrip("\n\r\ufeff").split("\n")
    tag = None
    for number, line in enumerate(map(str.strip, lines)):
        tag = tag or _TAG.fullmatch(line)
        if line.startswith("%%"):
            lines[number] = ""  # a cell magic: what it runs is the rest of the cell
        elif line and not line.startswith("#"):
            break
    if tag is None:
        return None
    lesson, number_of_task, module, name, given = tag.groups()
    id = TaskId(int(lesson), int(number_of_task))
    return TaskCell(id, module, name, _as_python("\n".join(lines)), bool(given))


def _as_python(source: str) -> str:
    """The cell as IPython reads it, with `None` in place of what IPython itself does there (`%timeit …`,
    `!pip …`, `f?`). A cell that is Python already stays as it is, and so does one with hundreds of such
    lines."""
    with suppress(SpliceError):
        parse_cell(source)
        return source
    if len(source) * len(_IPYTHONS_LINE.findall(source)) > _MOST_READ:
        return source
    # Here, because it takes half a second and few cells need it.
    from IPython.core.inputtransformer2 import TransformerManager

    with suppress(SyntaxError, RuntimeError):  # RuntimeError: more than 500 such lines
        source = TransformerManager().transform_cell(source).removesuffix("\n")
    with suppress(SpliceError):
        return _without_calls_of_ipython(source, parse_cell(source))
    return source  # whoever parses it says what is wrong


def _without_calls_of_ipython(source: str, tree: ast.Module) -> str:
    """`None` in place of each `get_ipython().system(…)` and the like; IPython writes each on one line."""
    lines = source.encode().split(b"\n")  # ast counts bytes
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and _is_ipythons(node)]
    for call in sorted(calls, key=lambda call: call.col_offset, reverse=True):
        if call.end_lineno == call.lineno:
            line = lines[call.lineno - 1]
            lines[call.lineno - 1] = line[: call.col_offset] + b"None" + line[call.end_col_offset :]
    return b"\n".join(lines).decode()


def _is_ipythons(call: ast.Call) -> bool:
    """Whether it is `get_ipython().system(…)` or the like. It looks at the tree, for `ast.unparse` fails in a
    long expression."""
    match call.func:
        case ast.Attribute(value=ast.Call(func=ast.Name(id="get_ipython"), args=[])):
            return True
    return False


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
    if len(cells) > _MOST_CELLS:
        return Notebook(name, problem=f"{name} içinde {len(cells)} hücre var, okunmadı")
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
    return text.replace("\r\n", "\n").replace("\r", "\n")
