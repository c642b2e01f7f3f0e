"""The zip for students: the course without its solutions, with stubs in src from some lesson on.

Unpacked, it is a student's own copy (`.odev-student`): a passed check puts the
student's code into its src. Not here: that (landing.py).
"""

from __future__ import annotations

import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

from odev.course.course import Course, CourseError
from odev.course.package_files import check_import
from odev.course.splice import splice
from odev.course.students_copy import mark_students

FOLDER = "safechat-odev"  # what it unpacks to
_README = """# ÖDEV: production'a hazır bir LLM istemcisi

```sh
pip install -c constraints.txt -e ".[course]" && python -m odev lab
```

JupyterLab açılır; `00_baslangic.ipynb` ile başla. İnternet de API anahtarı da gerekmez. pip
`externally-managed-environment` derse önce: `python3 -m venv .venv && . .venv/bin/activate`.

- `python -m odev status`: nerede kaldın, kaç puanın var.
- `python -m odev check 1`: kaydettiğin dersi terminalde kontrol et.
- `python -m odev package`: bitirince, yazdığın kodla kendi paketin.

Kontrolden geçen her görev `src/safechat` içindeki yerine konur. `tests/steps` puan veren testlerdir;
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
_DATE = (1980, 1, 1, 0, 0, 0)  # the same course makes the same zip


def release(course: Course, target: Path, lesson: int = 0) -> list[str]:
    """Write the zip; the ids of the tasks that are stubs in it: those of this lesson and later."""
    if course.is_students:
        raise CourseError("this is a student's copy already")
    stubs = course.stubs
    stubbed = [task for task in course.tasks if task.lesson >= lesson and task.id in stubs]
    texts: dict[Path, str] = {}
    for task in stubbed:
        path = course.module(task)
        course.definition_in_src(task)
        before = texts.get(path) or path.read_text(encoding="utf-8")
        module = f"{course.package}.{task.module}"
        texts[path] = splice(before, task.name, stubs[task.id], module=module)
    with tempfile.TemporaryDirectory(prefix="odev-", ignore_cleanup_errors=True) as made:
        root = Path(made)
        for path in _files(course):
            copy = root / path.relative_to(course.root)
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(texts[path].encode() if path in texts else path.read_bytes())
        (root / "README.md").write_text(_README, encoding="utf-8", newline="\n")
        mark_students(root, course.tasks)
        check_import(root / "src", course.package)
        _zip(root, target)
    return [str(task.id) for task in stubbed]


def _files(course: Course) -> Iterator[Path]:
    """No solutions, no wrong answers, no tests but the steps' and what they import."""
    tests = course.root / "tests"
    yield from (path for name in _ROOT_FILES if (path := course.root / name).is_file())
    yield from _below(course.lessons)
    yield from _below(course.src)
    yield from _below(course.steps)
    yield from sorted(tests.glob("*.py"))
    yield from sorted(each for each in (tests / "safechat").glob("*.py") if not each.name.startswith("test_"))


def _below(folder: Path) -> Iterator[Path]:
    """Without what programs leave there."""
    for path in sorted(folder.rglob("*")):
        parts = path.relative_to(folder).parts
        left_behind = path.suffix == ".log" or any(
            part in _LEFT_BEHIND or part.endswith(".egg-info") for part in parts
        )
        if path.is_file() and not left_behind:
            yield path


def _zip(root: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(root.rglob("*")):
            if path.is_file():
                name = f"{FOLDER}/{path.relative_to(root).as_posix()}"
                info = zipfile.ZipInfo(name, _DATE)
                info.compress_type = zipfile.ZIP_DEFLATED
                info.external_attr = 0o644 << 16
                archive.writestr(info, path.read_bytes())
