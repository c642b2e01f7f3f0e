"""Makes the zip for students: the course without its solutions, with stubs in src from a given lesson on.

Unpacked, it is a student's own copy (it holds `.odev-student`): a passed check puts
the student's code into its src. A task whose cell says `given` is used by earlier lessons too:
src keeps the course's own code of it until the release of its own lesson. Not here: how it gets there
(course/students_copy.py).
"""

from __future__ import annotations

import zipfile
from collections.abc import Collection, Iterator
from pathlib import Path, PurePosixPath

from odev.course.cells import task_cell
from odev.course.course import Course, CourseError, Task
from odev.course.files import temporary_folder
from odev.course.package_files import check_import
from odev.course.students_copy import mark_students
from odev.grading.stubs import check_course

FOLDER = "safechat-odev"  # the folder in the zip
_README = """# ÖDEV: production'a hazır bir LLM istemcisi

```sh
python3 -m venv .venv
. .venv/bin/activate
pip install -c constraints.txt -e ".[course]"
python -m odev lab
```

Windows'ta (PowerShell) ilk iki satır yerine:

```powershell
py -m venv .venv
Set-ExecutionPolicy -Scope Process RemoteSigned  # yalnız "running scripts is disabled" derse
.venv\\Scripts\\activate
```

Python 3.11 ya da yenisi gerekir. JupyterLab açılır; `00_baslangic.ipynb` ile başla. API anahtarı gerekmez;
kurulumdan sonra internet de gerekmez.

- `python -m odev status`: nerede kaldın, kaç puanın var.
- `python -m odev check 1`: kaydettiğin dersi terminalde kontrol et.
- `python -m odev package`: bitirince, yazdığın kodla kendi paketin.

Kontrolden geçen kodun `src/safechat` içindeki yerine yerleşir. `tests/steps` puan veren testlerdir;
okuyabilirsin. `python -m pytest`, yazmadığın görevlerde kalır: doğaldır.
"""
_ROOT_FILES = (
    "LICENSE",
    "pyproject.toml",
    "constraints.txt",
    ".gitignore",
    ".gitattributes",
)
_LEFT_BEHIND = {"__pycache__", ".ipynb_checkpoints"}
_DATE = (1980, 1, 1, 0, 0, 0)  # a fixed date, so that the same course makes the same zip


def release(course: Course, target: Path, lesson: int = 0) -> list[str]:
    """Write the zip, with stubs for the tasks of this lesson and of later ones, apart from those that are
    given. Returns the ids of all tasks that are to write.

    CourseError in a student's copy, for a course whose stubs are not right, and when the package with the
    stubs cannot be imported.
    """
    if course.is_students:
        raise CourseError("this is already a student's copy")
    check_course(course)
    stubs = course.stubs
    to_write = [task for task in course.tasks if task.lesson >= lesson and task.id in stubs]
    texts: dict[Path, str] = {}
    for task in to_write:
        if task.lesson > lesson and _is_given(course, task):
            continue
        path = course.module(task)
        course.definition_in_src(task)
        before = texts.get(path) or path.read_text(encoding="utf-8")
        texts[path] = course.splice(task, before, stubs[task.id])
    with temporary_folder() as root:
        for path in _released_files(course):
            copy = root / path.relative_to(course.root)
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(texts[path].encode() if path in texts else path.read_bytes())
        (root / "README.md").write_text(_README, encoding="utf-8", newline="\n")
        mark_students(root, course.tasks)
        check_import(root / "src", course.package)
        write_zip(root, target, FOLDER)
    return [str(task.id) for task in to_write]


def _is_given(course: Course, task: Task) -> bool:
    cell = task_cell(course.stubs[task.id])
    return cell is not None and cell.given


def _released_files(course: Course) -> Iterator[Path]:
    """The files for students: no solutions, no wrong answers, and of the tests only the steps' and what they
    import."""
    tests = course.root / "tests"
    yield from (path for name in _ROOT_FILES if (path := course.root / name).is_file())
    yield from _below(course.lessons)
    yield from _below(course.src)
    yield from _below(course.steps)
    yield from sorted(tests.glob("*.py"))
    yield from sorted(path for path in (tests / "safechat").glob("*.py") if not path.name.startswith("test_"))


def _below(folder: Path) -> Iterator[Path]:
    """All files in this folder and below, without those that programs leave behind."""
    for path in sorted(folder.rglob("*")):
        parts = path.relative_to(folder).parts
        left_behind = path.suffix == ".log" or any(
            part in _LEFT_BEHIND or part.endswith(".egg-info") for part in parts
        )
        if path.is_file() and not left_behind:
            yield path


def write_zip(root: Path, target: Path, folder: str = "", executable: Collection[str] = ()) -> None:
    """Write the files of `root` into a zip, below this folder; those named in `executable` can be run."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(root.rglob("*")):
            if path.is_file():
                name = PurePosixPath(folder, path.relative_to(root).as_posix())
                info = zipfile.ZipInfo(str(name), _DATE)
                info.compress_type = zipfile.ZIP_DEFLATED
                info.external_attr = (0o755 if path.name in executable else 0o644) << 16
                archive.writestr(info, path.read_bytes())
