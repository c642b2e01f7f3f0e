"""A student's own copy: answers that passed land in its src, task by task, until the package is complete.

`release` makes and marks such a copy. The course's own src is the reference, and nothing lands there.
A cell's helpers and constants land with its definition. A notebook is one namespace, but each task cell
is graded alone: a cell must define every helper that it uses. Two cells that define the same helper share
it; where their code differs, each has its own, under another name. Not here: how a definition gets into a
module (splice.py), the marker's file (marker.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from odev.course.answer import SpliceError, answer_in, bound_names, parse_cell, used_names
from odev.course.course import Course, Task
from odev.course.files import replace_text
from odev.course.marker import Marker, read_marker, write_marker
from odev.course.splice import helpers


def mark_students(root: Path, tasks: Iterable[Task]) -> None:
    """Make `root` a student's own copy of a course with these tasks; none has landed yet."""
    write_marker(root, Marker({str(task.id): task.full_name for task in tasks}))


def landed(course: Course) -> Mapping[str, Sequence[str]]:
    """The helpers of each task that landed, by the task's id, its imports by their lines; empty outside a
    student's copy."""
    return read_marker(course.root).landed if course.is_students else {}


def land(course: Course, task: Task, source: str) -> bool:
    """Put the cell's definition into src. Returns whether src changed; it never does outside such a copy."""
    if not course.is_students:
        return False
    path = course.module(task)
    before = path.read_text(encoding="utf-8")
    after = course.splice(task, before, source, replacing=replaceable(course, task))
    marker = read_marker(course.root)
    names = _helpers_of_cell(course, task, before, source)
    write_marker(course.root, replace(marker, landed={**marker.landed, str(task.id): names}))
    if after == before:
        return False
    replace_text(path, after)
    return True


def replaceable(course: Course, task: Task) -> list[str]:
    """The helpers that landed with this task alone: a new answer replaces them."""
    others = _helpers_of_others(course, task)
    return [name for name in landed(course).get(str(task.id), ()) if name not in others]


def check_helpers(course: Course, task: Task, cell_source: str) -> None:
    """SpliceError if the cell uses another task's helper and does not define it."""
    others = _helpers_of_others(course, task)
    if not others:
        return
    answer = answer_in(parse_cell(cell_source), task.name)
    own = {name for statement in answer for name in bound_names(statement)}
    used = {name for statement in answer for name in used_names(statement)}
    for helper, id in sorted(others.items()):
        name = bound_names(parse_cell(helper).body[0])[0] if " " in helper else helper  # an import's line
        if name in used - own:
            raise SpliceError(f"`{helper}` {id} numaralı görevin hücresinde; bu hücreye de yaz")


def _helpers_of_cell(course: Course, task: Task, module_source: str, cell_source: str) -> list[str]:
    """The helpers that come with this cell, also when another task brought the same ones before."""
    added, shared = helpers(
        module_source,
        task.name,
        cell_source,
        module=course.full_module(task),
        replacing=replaceable(course, task),
    )
    return sorted({*added, *shared & _helpers_of_others(course, task).keys()})


def _helpers_of_others(course: Course, task: Task) -> dict[str, str]:
    """For each helper that landed in this module with another task, the id of that task."""
    same = {str(other.id) for other in course.tasks if other.module == task.module} - {str(task.id)}
    return {name: id for id, names in landed(course).items() if id in same for name in names}
