"""Answers that passed land in a student's own src, step by step, until the package is whole.

Only in a student's copy, which `release` marks: the course's own src is the
reference, and is never written to.
"""

from __future__ import annotations

import os
from pathlib import Path

from odev.course import Course, Task, landed, mark_students
from odev.ownership import of_cell, replaceable
from odev.splice import splice


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
