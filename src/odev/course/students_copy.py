"""A student's own copy: answers that passed land in its src, step by step, until the package is whole.

`release` makes and marks such a copy. The course's own src is the reference, and is never written to.
With a cell's definition its helpers land. A notebook is one namespace, but each task cell is graded
alone: a cell must define every helper that it uses. Two cells may define the same one, if they mean
the same. Not here: how a definition gets into a module (splice.py).
"""

from __future__ import annotations

import ast
import json
import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

from odev.course.course import Course, Task
from odev.course.marker import STUDENT_MARKER, read_marker
from odev.course.splice import Definition, SpliceError, definition_source, helpers, remove, splice


def landed(course: Course) -> dict[str, list[str]]:
    """For each task that landed in a student's src: the helpers that came with it."""
    landed: dict[str, list[str]] = read_marker(course.root)["landed"]
    return landed


def mark_students(root: Path, tasks: Iterable[Task], landed: Mapping[str, list[str]] | None = None) -> None:
    """Make `root` a student's own copy, of a course with these tasks, of which some have landed."""
    told = {
        "tasks": {str(task.id): f"{task.module}.{task.name}" for task in tasks},
        "landed": dict(landed or {}),
    }
    text = json.dumps(told, indent=1, ensure_ascii=False)
    temporary = root / f"{STUDENT_MARKER}.new"
    temporary.write_text(text + "\n", encoding="utf-8")
    os.replace(temporary, root / STUDENT_MARKER)


def replaceable(course: Course, task: Task) -> list[str]:
    """Those that landed with this task alone: they go when its cell is another."""
    others = _of_others(course, task)
    return [name for name in _landed(course).get(str(task.id), []) if name not in others]


def of_cell(course: Course, task: Task, module_source: str, cell_source: str) -> list[str]:
    """The helpers that come with this cell, also when another task brought the same ones before."""
    without = module_source
    for names in _landed(course).values():
        for name in names:
            without = remove(without, name, missing_ok=True)
    return helpers(without, task.name, cell_source)


def check_helpers(course: Course, task: Task, module_source: str, cell_source: str) -> None:
    """SpliceError where the cell leans on another task's helper, or has another one of the same name."""
    others = _of_others(course, task)
    if not others:
        return
    try:
        tree = ast.parse(cell_source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return  # splice says what is wrong with it
    own = {node.name for node in tree.body if isinstance(node, Definition)}
    used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    for name in sorted(others.keys() & used - own):
        raise SpliceError(f"`{name}` {others[name]} numaralı görevin hücresinde; bu hücreye de yaz")
    for name in sorted(others.keys() & own):
        with suppress(LookupError):
            if definition_source(module_source, name) != definition_source(cell_source, name):
                raise SpliceError(
                    f"`{name}` {others[name]} numaralı görevde de var ve kodu başka: birinin adını değiştir"
                )


def _of_others(course: Course, task: Task) -> dict[str, str]:
    """By name, another task of this module that the helper landed with."""
    same = {str(each.id) for each in course.tasks if each.module == task.module} - {str(task.id)}
    return {name: id for id, names in _landed(course).items() if id in same for name in names}


def _landed(course: Course) -> dict[str, list[str]]:
    return landed(course) if course.is_students else {}


def land(course: Course, task: Task, source: str) -> bool:
    """Put the cell's definition into src; whether src changed. Nothing happens outside a student's copy."""
    if not course.is_students:
        return False
    tasks = landed(course)
    path = course.module(task)
    before = path.read_text(encoding="utf-8")
    module = f"{course.package}.{task.module}"
    after = splice(before, task.name, source, module=module, replacing=replaceable(course, task))
    mark_students(course.root, course.tasks, {**tasks, str(task.id): of_cell(course, task, before, source)})
    if after == before:
        return False
    replace_text(path, after)
    return True


def replace_text(path: Path, text: str) -> None:
    """The whole file or the old one, whatever happens meanwhile."""
    temporary = path.with_name(path.name + ".new")
    temporary.write_text(text, encoding="utf-8", newline="\n")
    os.replace(temporary, path)
