"""Builds the solutions' notebooks: the lessons with src's definitions in the task cells, run, with outputs.

Two builds are identical. What changes with every run is replaced (addresses in
memory, ports, folders of this machine) or left out (the kernel's counts). A cell with
the line `#| odev volatile` keeps its committed outputs as long as the rest of the
notebook is unchanged. Not here: the lessons, which are written by hand.
"""

from __future__ import annotations

import copy
import json
import os
import re
import subprocess
import sysconfig
import tempfile
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient

from odev.course.cells import task_cell
from odev.course.course import Course, CourseError
from odev.course.environment import own_environment
from odev.course.files import replace_text, temporary_folder
from odev.course.splice import definition_source, splice

LARGEST_SOLUTION = 300_000  # bytes of one notebook
_VOLATILE = re.compile(r"^#\|\s*odev\s+volatile\s*$", re.MULTILINE)
_METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}
_CHANGING = (
    (re.compile(r"0x[0-9a-fA-F]{6,16}\b"), "0x…"),
    (re.compile(r"(127\.0\.0\.1|localhost):\d{2,5}"), r"\1:…"),
    (re.compile(r"sk-classroom-[0-9a-f]+"), "sk-classroom-…"),
    (re.compile(r"(ipykernel_)\d+[/\\]\d+"), r"\1…"),
)


@dataclass(frozen=True, slots=True)
class Built:
    """One solution: its path, its text, and whether the file at that path is different."""

    path: Path
    text: str
    stale: bool


def build(course: Course, names: Iterable[str] = (), jobs: int = 2) -> list[Built]:
    """Build every solution, or those of these lessons (`01_hata_yonetimi`). Nothing is written.

    CourseError for a lesson that is wrong, that fails, or whose solution is too large.
    """
    wanted = set(names)
    _ = course.stubs  # raises for a lesson that cannot be read
    lessons = [path for path in course.notebooks() if not wanted or path.stem in wanted]
    with ThreadPoolExecutor(jobs) as pool:
        # The last lesson takes longest, so it begins first.
        last_first = [pool.submit(_build_one, course, lesson) for lesson in reversed(lessons)]
        return [built.result() for built in reversed(last_first)]


def write(built: Iterable[Built]) -> list[Path]:
    """Write the stale solutions. Returns their paths."""
    stale = [solution for solution in built if solution.stale]
    for solution in stale:
        solution.path.parent.mkdir(exist_ok=True)
        replace_text(solution.path, solution.text)
    return [solution.path for solution in stale]


def orphans(course: Course) -> list[Path]:
    """Solutions whose lesson does not exist any more."""
    names = {path.name for path in course.notebooks()}
    return [path for path in sorted(course.solutions.glob("[0-9][0-9]_*.ipynb")) if path.name not in names]


def _build_one(course: Course, lesson: Path) -> Built:
    notebook = solved(course, lesson)
    with temporary_folder() as home:
        _execute(course, lesson, notebook, home)
        _make_stable(notebook, _places(course, home))
    target = course.solutions / lesson.name
    committed = _committed(target)
    if committed is not None and _without_volatile(committed) == _without_volatile(notebook):
        return Built(target, target.read_text(encoding="utf-8"), stale=False)
    text = _json_text(notebook)
    if len(text.encode()) > LARGEST_SOLUTION:
        size = len(text.encode()) // 1000
        raise CourseError(f"{lesson.name}: the solution has {size} KB; {LARGEST_SOLUTION // 1000} KB at most")
    return Built(target, text, stale=True)


def solved(course: Course, lesson: Path) -> Any:
    """The lesson's notebook with src's definition in each task cell, not yet run."""
    notebook = nbformat.reads(lesson.read_text(encoding="utf-8"), as_version=4)
    _, notebook = nbformat.validator.normalize(notebook)
    for number, cell in enumerate(notebook.cells):
        cell.id = f"{lesson.stem[:2]}-{number:02}"
        if cell.cell_type != "code":
            continue
        tagged = task_cell(cell.source)
        if tagged is not None:
            task = course.task(tagged.id)
            course.definition_in_src(task)
            source = course.module(task).read_text(encoding="utf-8")
            try:
                cell.source = splice(tagged.source, task.name, definition_source(source, task.name)).rstrip(
                    "\n"
                )
            except LookupError as error:
                raise CourseError(f"{lesson.name}, task {task.id}: {error}") from None
        cell.outputs, cell.execution_count = [], None
    return notebook


def _execute(course: Course, lesson: Path, notebook: Any, home: Path) -> None:
    environment = own_environment() | {
        "IPYTHONDIR": str(home),
        "PYTHONPATH": os.pathsep.join([str(course.src), str(Path(__file__).parents[2])]),
        "PYTHONHASHSEED": "0",
        "PYTHONUTF8": "1",
        "JPY_SESSION_NAME": str(course.solutions / lesson.name),
    }
    client = NotebookClient(
        notebook,
        timeout=180,
        kernel_name="python3",
        record_timing=False,
        resources={"metadata": {"path": str(course.lessons)}},
    )
    try:
        client.execute(env=environment, stderr=subprocess.DEVNULL)  # without the kernel's own messages
    except Exception as error:
        raise CourseError(f"{lesson.name}: the solution does not run: {error}") from error


def _places(course: Course, home: Path) -> list[tuple[str, str]]:
    """Folders of this machine that an output may name, with what replaces them, the longest first."""
    places = {
        str(course.root.resolve()): ".",
        str(home): "~",
        sysconfig.get_paths()["purelib"]: "…",
    }
    places |= {sysconfig.get_paths()["stdlib"]: "…", str(Path.home()): "~", tempfile.gettempdir(): "…"}
    longest_first = sorted(places.items(), key=lambda place: -len(place[0]))
    return [(place, replacement) for place, replacement in longest_first if len(Path(place).parts) > 1]


def _make_stable(notebook: Any, places: list[tuple[str, str]]) -> None:
    notebook.metadata = nbformat.from_dict(_METADATA)
    for cell in notebook.cells:
        cell.metadata = nbformat.from_dict({"tags": cell.metadata.tags} if "tags" in cell.metadata else {})
        if cell.cell_type == "code":
            cell.outputs = [_stable(output, places) for output in _joined(cell.outputs)]


def _joined(outputs: Iterable[Any]) -> Iterator[Any]:
    """The outputs with the pieces of each stream joined; their size and order change with every run."""
    streams: dict[str, Any] = {}
    for output in outputs:
        if output.output_type == "stream":
            if output.name in streams:
                streams[output.name].text += output.text
            else:
                streams[output.name] = output
            continue
        yield from (streams.pop(name) for name in sorted(streams, reverse=True))
        yield output
    yield from (streams.pop(name) for name in sorted(streams, reverse=True))


def _stable(output: Any, places: list[tuple[str, str]]) -> Any:
    def stable(text: str) -> str:
        for place, replacement in places:
            text = text.replace(place, replacement)
        for pattern, replacement in _CHANGING:
            text = pattern.sub(replacement, text)
        return text

    for kind, value in output.get("data", {}).items():
        if isinstance(value, str) and not kind.startswith("image/"):
            output.data[kind] = stable(value)
    for key in ("text", "evalue"):
        if key in output:
            output[key] = stable(output[key])
    if "traceback" in output:
        output.traceback = [stable(line) for line in output.traceback]
    return output


def _without_volatile(notebook: Any) -> Any:
    without = copy.deepcopy(notebook)
    for cell in without.cells:
        if cell.cell_type == "code" and _VOLATILE.search(cell.source):
            cell.outputs = []
    return json.loads(_json_text(without))


def _committed(path: Path) -> Any | None:
    if not path.is_file():
        return None
    try:
        return nbformat.reads(path.read_text(encoding="utf-8"), as_version=4)
    except (ValueError, nbformat.reader.NotJSONError):
        return None  # broken, so it is stale


def _json_text(notebook: Any) -> str:
    return json.dumps(notebook, indent=1, ensure_ascii=False, sort_keys=True) + "\n"
