"""The course: where its parts are, and which tasks it has.

A task is a definition of the package, named by the tag of its cell in a lesson.
Everything in odev is handed a `Course`, so that it works on any folder that is
laid out like one. Not here: what is in the cells (cells.py), what to do with
them (splice.py, grading.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from odev.course.cells import TaskId, read_notebook
from odev.course.marker import STUDENT_MARKER, read_marker
from odev.course.splice import Definition, definition


class CourseError(Exception):
    """The course itself is wrong, not a student's answer."""


@dataclass(frozen=True, slots=True)
class Task:
    """One definition that students write: `read_reply` in reply.py, as task 1.2, from this lesson."""

    id: TaskId
    module: str
    name: str
    notebook: Path

    @property
    def lesson(self) -> int:
        return self.id.lesson

    @property
    def file(self) -> str:
        """Within the package."""
        return self.module.replace(".", "/") + ".py"


@dataclass(frozen=True)
class Course:
    root: Path
    package: str = "safechat"

    @property
    def lessons(self) -> Path:
        return self.root / "lessons"

    @property
    def solutions(self) -> Path:
        return self.root / "solutions"

    @property
    def src(self) -> Path:
        """The folder that holds the package."""
        return self.root / "src"

    @property
    def steps(self) -> Path:
        return self.root / "tests" / "steps"

    @property
    def wrong_answers(self) -> Path:
        return self.root / "tests" / "wrong_answers"

    @property
    def is_students(self) -> bool:
        """Whether this is a student's own copy: its src holds stubs, and a passed check fills them."""
        return (self.root / STUDENT_MARKER).is_file()

    def notebooks(self) -> list[Path]:
        return sorted(self.lessons.glob("[0-9][0-9]_*.ipynb"))

    def module(self, task: Task) -> Path:
        return self.src / self.package / task.file

    @cached_property
    def tasks(self) -> tuple[Task, ...]:
        """Every task, in the order of their ids.

        A student works in the lessons' own files, and may have lost a cell: so what
        the lessons do not name is taken from the marker of a student's copy, else from
        the solutions.
        """
        found: dict[TaskId, tuple[str, str]] = {}
        if self.is_students:
            for id, definition_name in read_marker(self.root)["tasks"].items():
                module, _, name = definition_name.rpartition(".")
                found[TaskId.parse(id)] = (module, name)
        else:
            for path in (*self.notebooks(), *sorted(self.solutions.glob("[0-9][0-9]_*.ipynb"))):
                for cell in read_notebook(path.name, path.read_bytes()).cells:
                    if cell.id.lesson == int(path.name[:2]):
                        found.setdefault(cell.id, (cell.module, cell.name))
        files = {int(path.name[:2]): path for path in self.notebooks()}
        return tuple(
            Task(id, *found[id], files.get(id.lesson, self.lessons / f"{id.lesson:02}.ipynb"))
            for id in sorted(found)
        )

    @cached_property
    def stubs(self) -> Mapping[TaskId, str]:
        """Each task's cell as the lesson gives it. CourseError when the lessons are not as they should be."""
        stubs: dict[TaskId, str] = {}
        for path in self.notebooks():
            notebook = read_notebook(path.name, path.read_bytes())
            if notebook.problem:
                raise CourseError(f"{path}: {notebook.problem}")
            for cell in notebook.cells:
                if cell.id in stubs:
                    raise CourseError(f"{path}: task {cell.id} is there twice")
                if cell.id.lesson != int(path.name[:2]):
                    raise CourseError(f"{path}: task {cell.id} is of another lesson")
                stubs[cell.id] = cell.source
        return stubs

    def tasks_of(self, *lessons: int) -> tuple[Task, ...]:
        """The tasks of these lessons, of all without one."""
        return tuple(task for task in self.tasks if not lessons or task.lesson in lessons)

    def task(self, id: TaskId) -> Task:
        for task in self.tasks:
            if task.id == id:
                return task
        raise CourseError(f"there is no task {id}")

    def definition_in_src(self, task: Task) -> Definition:
        """The reference's definition, or in a student's copy the stub. CourseError when it is not there."""
        path = self.module(task)
        if not path.is_file():
            raise CourseError(f"task {task.id}: there is no {path}")
        found = definition(path.read_text(encoding="utf-8"), task.name)
        if found is None:
            raise CourseError(f"task {task.id}: {path.name} has no {task.name}")
        return found


def find_course(start: Path | None = None) -> Course:
    """The course around `start` (the current folder), else the one that odev itself lies in."""
    here = (start or Path.cwd()).resolve()
    for folder in (here, *here.parents, Path(__file__).resolve().parents[3]):
        if (folder / "lessons").is_dir() and (folder / "src" / "safechat").is_dir():
            return Course(folder)
    raise CourseError(f"Burada kurs yok: {here}. Kursun klasörüne geçip yeniden dene.")
