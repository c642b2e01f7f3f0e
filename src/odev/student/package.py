"""A student's own package as a project that pip installs: src with the student's cells in it.

In a student's copy src holds what passed the check. Elsewhere the cells are those of
the saved lessons; a task that is not written keeps what src has. Not here: whether they
pass (`check` says that).
"""

from __future__ import annotations

import json
import shutil
import tempfile
import tomllib
from pathlib import Path
from typing import Any

from odev.course.cells import TaskCell, TaskId, read_notebook
from odev.course.course import Course, CourseError
from odev.course.package_files import check_import, package_files
from odev.course.splice import SpliceError, splice
from odev.course.students_copy import landed, replace_text
from odev.grading.grader import is_stub

_README = """# {name}

Kursta adım adım yazdığım, production'a hazır LLM istemcisi.

```sh
pip install .
```

```python
from openai import OpenAI
from safechat import ChatClientWrapper

chat = ChatClientWrapper(OpenAI())
print(chat.generate("Merhaba"))
```

Benim yazdığım parçalar: {tasks}.
"""
_KEPT = ("name", "version", "description", "requires-python", "dependencies", "scripts")


def package(course: Course, target: Path) -> tuple[list[str], list[str]]:
    """Make the project in `target`: a new or an empty folder, or that of an earlier time.

    The ids of the tasks that are the student's own in it, and of those that are not. CourseError when the
    package cannot be imported.
    """
    if target.exists() and not _is_ours(course, target):
        raise CourseError(f"{target} boş değil ve bir paket de değil: başka bir klasör ver")
    with tempfile.TemporaryDirectory(prefix="odev-", ignore_cleanup_errors=True) as folder:
        made = Path(folder) / "made"
        told = _made(course, made)
        if target.exists():
            shutil.rmtree(target)
        shutil.copytree(made, target)
    return told


def _is_ours(course: Course, target: Path) -> bool:
    """An empty folder, or the project of an earlier time."""
    if not target.is_dir():
        return False
    return not any(target.iterdir()) or (target / "src" / course.package / "__init__.py").is_file()


def _made(course: Course, target: Path) -> tuple[list[str], list[str]]:
    cells = _cells(course)
    src = target / "src" / course.package
    for path in package_files(course.src / course.package):
        copy = src / path.relative_to(course.src / course.package)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, copy)
    own: list[str] = []
    others: list[str] = []
    for task in course.tasks:
        if course.is_students:  # its src holds what passed
            (own if str(task.id) in landed(course) else others).append(str(task.id))
            continue
        cell = cells.get(task.id)
        if cell is None or is_stub(cell.source, task):
            others.append(str(task.id))
            continue
        path = src / task.file
        before = path.read_text(encoding="utf-8")
        module = f"{course.package}.{task.module}"
        try:
            replace_text(path, splice(before, task.name, cell.source, module=module))
        except SpliceError as error:
            raise CourseError(f"{task.id}: {error}") from None
        own.append(str(task.id))
    check_import(target / "src", course.package)
    _write_project(course, target, own)
    return own, others


def _cells(course: Course) -> dict[TaskId, TaskCell]:
    cells: dict[TaskId, TaskCell] = {}
    for path in course.notebooks():
        cells |= {cell.id: cell for cell in read_notebook(path.name, path.read_bytes()).cells}
    return cells


def _write_project(course: Course, target: Path, own: list[str]) -> None:
    settings = course.root / "pyproject.toml"
    ours: dict[str, Any] = {}
    if settings.is_file():
        ours = tomllib.loads(settings.read_text(encoding="utf-8")).get("project", {})
    project = {"name": course.package, "version": "0.1.0", "requires-python": ">=3.11"}
    project |= {key: ours[key] for key in _KEPT if key in ours}
    project["readme"] = "README.md"
    extras = {
        name: needs for name, needs in ours.get("optional-dependencies", {}).items() if name != "course"
    }
    lines = ["[build-system]", 'requires = ["hatchling>=1.27"]', 'build-backend = "hatchling.build"']
    lines += ["", "[project]", *_toml({key: each for key, each in project.items() if key != "scripts"})]
    if "scripts" in ours:
        lines += ["", "[project.scripts]", *_toml(ours["scripts"])]
    if extras:
        lines += ["", "[project.optional-dependencies]", *_toml(extras)]
    lines += ["", "[tool.hatch.build.targets.wheel]", f'packages = ["src/{course.package}"]', ""]
    (target / "pyproject.toml").write_text("\n".join(lines), encoding="utf-8")
    name = project["name"]
    (target / "README.md").write_text(
        _README.format(name=name, tasks=", ".join(own) or "henüz yok"), encoding="utf-8"
    )


def _toml(table: dict[str, Any]) -> list[str]:
    """Texts and lists of texts: JSON's notation is TOML's."""
    return [f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in table.items()]
