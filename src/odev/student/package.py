"""Makes the student's own package: a project that pip installs, with the student's code in it.

In a student's copy the code is that of src, where the answers that passed have landed.
Elsewhere it is src with the cells of the saved lessons; a task that is not written
keeps the code of src. Not here: whether the cells pass (check.py).
"""

from __future__ import annotations

import json
import shutil
import tomllib
from pathlib import Path
from typing import Any

from odev.course.answer import SpliceError
from odev.course.cells import TaskCell, TaskId, read_notebook
from odev.course.course import Course, CourseError
from odev.course.files import replace_text, temporary_folder
from odev.course.package_files import check_import, package_files
from odev.course.students_copy import landed
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
_KEPT_SETTINGS = ("name", "version", "description", "requires-python", "dependencies", "scripts")


def package(course: Course, target: Path) -> tuple[list[str], list[str]]:
    """Make the project in `target`: a new or empty folder, or one with an earlier project of this kind, whose
    other files stay.

    Returns the ids of the tasks with the student's own code, and those of the other tasks. CourseError when
    `target` holds anything else, and when the package cannot be imported.
    """
    if target.exists() and not _may_be_replaced(course, target):
        raise CourseError(f"{target} boş değil ve bir paket de değil: başka bir klasör ver")
    with temporary_folder() as folder:
        tasks = make_project(course, folder / "project")
        check_import(folder / "project" / "src", course.package)
        if target.exists():
            shutil.rmtree(target / "src" / course.package, ignore_errors=True)
        shutil.copytree(folder / "project", target, dirs_exist_ok=True)
    return tasks


def _may_be_replaced(course: Course, target: Path) -> bool:
    """Whether this is an empty folder, or an earlier project of this kind; a course looks much like one."""
    if not target.is_dir() or (target / "lessons").exists() or course.root.is_relative_to(target.resolve()):
        return False
    return not any(target.iterdir()) or (target / "src" / course.package / "__init__.py").is_file()


def make_project(course: Course, target: Path) -> tuple[list[str], list[str]]:
    """The same in a new folder, whether Python can import the package or not."""
    cells = _saved_cells(course)
    src = target / "src" / course.package
    for path in package_files(course.src / course.package):
        copy = src / path.relative_to(course.src / course.package)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, copy)
    own: list[str] = []
    others: list[str] = []
    for task in course.tasks:
        if course.is_students:  # its src holds the answers that passed
            (own if str(task.id) in landed(course) else others).append(str(task.id))
            continue
        cell = cells.get(task.id)
        if cell is None or is_stub(cell.source, task):
            others.append(str(task.id))
            continue
        path = src / task.file
        try:
            replace_text(path, course.splice(task, path.read_text(encoding="utf-8"), cell.source))
        except SpliceError as error:
            raise CourseError(f"{task.id}: {error}") from None
        own.append(str(task.id))
    _write_project(course, target, own)
    return own, others


def _saved_cells(course: Course) -> dict[TaskId, TaskCell]:
    cells: dict[TaskId, TaskCell] = {}
    for path in course.notebooks():
        cells |= {cell.id: cell for cell in read_notebook(path.name, path.read_bytes()).cells}
    return cells


def _write_project(course: Course, target: Path, own: list[str]) -> None:
    settings = course.root / "pyproject.toml"
    course_project: dict[str, Any] = {}
    if settings.is_file():
        course_project = tomllib.loads(settings.read_text(encoding="utf-8")).get("project", {})
    project = {"name": course.package, "version": "0.1.0", "requires-python": ">=3.11"}
    project |= {key: course_project[key] for key in _KEPT_SETTINGS if key in course_project}
    project["readme"] = "README.md"
    extras = {
        name: needs
        for name, needs in course_project.get("optional-dependencies", {}).items()
        if name != "course"
    }
    lines = ["[build-system]", 'requires = ["hatchling>=1.27"]', 'build-backend = "hatchling.build"']
    lines += ["", "[project]", *_toml({key: value for key, value in project.items() if key != "scripts"})]
    if "scripts" in course_project:
        lines += ["", "[project.scripts]", *_toml(course_project["scripts"])]
    if extras:
        lines += ["", "[project.optional-dependencies]", *_toml(extras)]
    lines += ["", "[tool.hatch.build.targets.wheel]", f'packages = ["src/{course.package}"]', ""]
    (target / "pyproject.toml").write_text("\n".join(lines), encoding="utf-8")
    name = project["name"]
    (target / "README.md").write_text(
        _README.format(name=name, tasks=", ".join(own) or "henüz yok"), encoding="utf-8"
    )


def _toml(table: dict[str, Any]) -> list[str]:
    """The lines of a table of texts and lists of texts, which TOML writes as JSON does."""
    return [f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in table.items()]
