"""The solutions' notebooks: the lessons', with src's definitions in the task cells, run, outputs kept.

Two builds differ in nothing: what changes from run to run by nature is taken out
(counts of a kernel, addresses in memory, ports, folders of this machine), and a
cell with the line `#| odev volatile` keeps the outputs that are already there
while everything else is as it was. Not here: lessons, which are written by hand.
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
from odev.course.splice import definition_source, splice

LARGEST = 300_000  # bytes of one notebook
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
    """One solution: where it belongs, its text, and whether the file there is something else."""

    path: Path
    text: str
    stale: bool


def build(course: Course, names: Iterable[str] = (), jobs: int = 2) -> list[Built]:
    """Build every solution, or these lessons' (`01_hata_yonetimi`), and write nothing.

    CourseError for a lesson that is wrong, fails when run, or grows too large.
    """
    wanted = set(names)
    lessons = [path for path in course.notebooks() if not wanted or path.stem in wanted]
    with ThreadPoolExecutor(jobs) as pool:
        return list(pool.map(lambda path: _build(course, path), lessons))


def write(built: Iterable[Built]) -> list[Path]:
    """Write the stale ones; which they are."""
    written = []
    for each in built:
        if each.stale:
            each.path.parent.mkdir(exist_ok=True)
            each.path.write_text(each.text, encoding="utf-8", newline="\n")
            written.append(each.path)
    return written


def orphans(course: Course) -> list[Path]:
    """Solutions of lessons that are no more."""
    names = {path.name for path in course.notebooks()}
    return [path for path in sorted(course.solutions.glob("[0-9][0-9]_*.ipynb")) if path.name not in names]


def _build(course: Course, lesson: Path) -> Built:
    notebook = solved(course, lesson)
    with tempfile.TemporaryDirectory(prefix="odev-", ignore_cleanup_errors=True) as home:
        _run(course, lesson, notebook, home)
        _make_stable(notebook, _places(course, Path(home)))
    target = course.solutions / lesson.name
    committed = _read(target)
    if committed is not None and _without_volatile(committed) == _without_volatile(notebook):
        return Built(target, target.read_text(encoding="utf-8"), stale=False)
    text = _text(notebook)
    if len(text.encode()) > LARGEST:
        size = len(text.encode()) // 1000
        raise CourseError(f"{lesson.name}: the solution has {size} KB; {LARGEST // 1000} KB at most")
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
            source = course.module(task).read_text(encoding="utf-8")
            try:
                cell.source = splice(tagged.source, task.name, definition_source(source, task.name)).rstrip(
                    "\n"
                )
            except LookupError as error:
                raise CourseError(f"{lesson.name}, task {task.id}: {error}") from None
        cell.outputs, cell.execution_count = [], None
    return notebook


def _run(course: Course, lesson: Path, notebook: Any, home: str) -> None:
    dropped = ("OPENAI_", "SAFECHAT_", "VAULT_", "BAO_", "ODEV_", "PYTEST_")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(dropped)}
    environment |= {
        "IPYTHONDIR": home,
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
        client.execute(env=environment, stderr=subprocess.DEVNULL)  # the kernel talks about itself
    except Exception as error:
        raise CourseError(f"{lesson.name}: the solution does not run: {error}") from error


def _places(course: Course, home: Path) -> list[tuple[str, str]]:
    """Folders of this machine, as they may stand in an output, and what stands there instead."""
    places = {
        str(course.root.resolve()): ".",
        str(home.resolve()): "~",
        sysconfig.get_paths()["purelib"]: "…",
    }
    places |= {sysconfig.get_paths()["stdlib"]: "…", str(Path.home()): "~", tempfile.gettempdir(): "…"}
    longest_first = sorted(places.items(), key=lambda place: -len(place[0]))
    return [(place, instead) for place, instead in longest_first if len(Path(place).parts) > 1]


def _make_stable(notebook: Any, places: list[tuple[str, str]]) -> None:
    notebook.metadata = nbformat.from_dict(_METADATA)
    for cell in notebook.cells:
        cell.metadata = nbformat.from_dict({"tags": cell.metadata.tags} if "tags" in cell.metadata else {})
        if cell.cell_type == "code":
            cell.outputs = [_stable(each, places) for each in _joined(cell.outputs)]


def _joined(outputs: Iterable[Any]) -> Iterator[Any]:
    """A stream arrives in pieces of any size, and the two streams in any order."""
    streams: dict[str, Any] = {}
    for each in outputs:
        if each.output_type == "stream":
            if each.name in streams:
                streams[each.name].text += each.text
            else:
                streams[each.name] = each
            continue
        yield from (streams.pop(name) for name in sorted(streams, reverse=True))
        yield each
    yield from (streams.pop(name) for name in sorted(streams, reverse=True))


def _stable(output: Any, places: list[tuple[str, str]]) -> Any:
    def stable(text: str) -> str:
        for place, instead in places:
            text = text.replace(place, instead)
        for pattern, instead in _CHANGING:
            text = pattern.sub(instead, text)
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
    kept = copy.deepcopy(notebook)
    for cell in kept.cells:
        if cell.cell_type == "code" and _VOLATILE.search(cell.source):
            cell.outputs = []
    return json.loads(_text(kept))


def _read(path: Path) -> Any | None:
    if not path.is_file():
        return None
    try:
        return nbformat.reads(path.read_text(encoding="utf-8"), as_version=4)
    except (ValueError, nbformat.reader.NotJSONError):
        return None  # broken: stale in any case


def _text(notebook: Any) -> str:
    return json.dumps(notebook, indent=1, ensure_ascii=False, sort_keys=True) + "\n"
