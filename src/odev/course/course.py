"""The course: where its parts are, and which tasks it has.

A task is a definition of the package, named by the tag of its cell in a lesson.
The other modules take a `Course` as an argument, so that they work on any folder
that is laid out like one. Not here: what is in the cells (cells.py), how a cell
gets into a module (splice.py).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from odev.course.answer import Definition
from odev.course.cells import TaskId, read_notebook
from odev.course.marker import STUDENT_MARKER, read_marker
from odev.course.splice import definition, splice


class CourseError(Exception):
    """Something is wrong with the course itself, not with a student's answer."""


@dataclass(frozen=True, slots=True)
class Task:
    """One definition that students write: `checked_reply` in call/reply.py, as task 1.2, from this lesson."""

    id: TaskId
    module: str
    name: str
    notebook: Path

    @property
    def lesson(self) -> int:
        return self.id.lesson

    @property
    def full_name(self) -> str:
        """The definition within the package: `call.reply.checked_reply`."""
        return f"{self.module}.{self.name}"

    @property
    def file(self) -> str:
        """The path of its module, relative to the package's folder."""
        return self.module.replace(".", "/") + ".py"


@dataclass(frozen=True)
class Course:
    """The folder of a course, and the name of the package that it builds."""

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
    def right_answers(self) -> Path:
        return self.root / "tests" / "right_answers"

    @property
    def equal_mutants(self) -> Path:
        return self.root / "tests" / "equal_mutants.toml"

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

        A student works in the lessons' own files and may delete a cell. So a student's copy names
        its tasks in its marker; elsewhere the solutions name those that the lessons do not.
        """
        names: dict[TaskId, tuple[str, str]] = {}
        if self.is_students:
            for id, full_name in read_marker(self.root).tasks.items():
                module, _, name = full_name.rpartition(".")
                names[TaskId.parse(id)] = (module, name)
        else:
            for path in (*self.notebooks(), *sorted(self.solutions.glob("[0-9][0-9]_*.ipynb"))):
                for cell in read_notebook(path.name, path.read_bytes()).cells:
                    if cell.id.lesson == int(path.name[:2]):
                        names.setdefault(cell.id, (cell.module, cell.name))
        files = {int(path.name[:2]): path for path in self.notebooks()}
        return tuple(
            Task(id, *names[id], files.get(id.lesson, self.lessons / f"{id.lesson:02}.ipynb"))
            for id in sorted(names)
        )

    @cached_property
    def stubs(self) -> Mapping[TaskId, str]:
        """For each task, its cell as the lesson gives it. CourseError when a lesson is not right."""
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
        """The tasks of these lessons; without an argument, of all lessons."""
        return tuple(task for task in self.tasks if not lessons or task.lesson in lessons)

    def task(self, id: TaskId) -> Task:
        for task in self.tasks:
            if task.id == id:
                return task
        raise CourseError(f"there is no task {id}")

    def definition_in_src(self, task: Task) -> Definition:
        """The task's definition as src has it: in a student's copy the stub, until an answer lands.

        CourseError when it is not there, or when Python cannot read the module.
        """
        path = self.module(task)
        if not path.is_file():
            raise CourseError(f"task {task.id}: there is no {path}")
        try:
            node = definition(path.read_text(encoding="utf-8"), task.name)
        except SyntaxError as error:
            raise CourseError(f"task {task.id}: {path}, line {error.lineno}: {error.msg}") from None
        if node is None:
            raise CourseError(f"task {task.id}: {path.name} has no {task.name}")
        return node

    def splice(
        self, task: Task, module_source: str, cell_source: str, *, replacing: Collection[str] = ()
    ) -> str:
        """`module_source`, which is the task's module, with the task's definition from the cell.

        Raises what splice.splice raises.
        """
        module = self.full_module(task)
        return splice(module_source, task.name, cell_source, module=module, replacing=replacing)

    def full_module(self, task: Task) -> str:
        """The name by which the task's module is imported."""
        return f"{self.package}.{task.module}"


def find_course(start: Path | None = None) -> Course:
    """The course that `start` (by default the current folder) is in, else the one that odev is in.

    CourseError (Turkish) when there is none.
    """
    here = (start or Path.cwd()).resolve()
    for folder in (here, *here.parents, Path(__file__).resolve().parents[3]):
        if (folder / "lessons").is_dir() and (folder / "src" / "safechat").is_dir():
            return Course(folder)
    raise CourseError(f"Burada kurs yok: {here}. Kursun klasörüne geçip yeniden dene.")
