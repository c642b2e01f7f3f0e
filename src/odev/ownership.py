"""Whose a helper is: the functions and classes that landed in a student's src beside the tasks' own.

A notebook is one namespace, but each task cell is graded alone: a cell must define
every helper that it uses. Two cells may define the same one, if they mean the
same. Not here: how a definition gets into a module (splice.py).
"""

from __future__ import annotations

import ast
from contextlib import suppress

from odev.course import Course, Task, landed
from odev.splice import Definition, SpliceError, definition_source, helpers, remove


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
