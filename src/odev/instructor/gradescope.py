"""Gradescope: its results.json, and the zip of an autograder that makes one in Gradescope's own container.

https://gradescope-autograders.readthedocs.io/en/latest/specs/ says what is in both. Days
late cost nothing here: Gradescope takes them off itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from odev.course.course import Course, CourseError
from odev.course.files import temporary_folder
from odev.course.package_files import package_files
from odev.grading.result import TaskResult
from odev.grading.stubs import check_course
from odev.instructor.exports import dump
from odev.instructor.marks import EXAM, Mark, TakenExam
from odev.instructor.release import write_zip

# The default image is Ubuntu 22.04, whose own Python is too old.
_SETUP = """#!/usr/bin/env bash
# Runs once, when Gradescope builds the image of this autograder.
set -euo pipefail
python=python3
if ! python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
    apt-get update
    apt-get install -y software-properties-common
    add-apt-repository -y ppa:deadsnakes/ppa
    python=python3.12
fi
apt-get update
apt-get install -y "$python" "$python-venv"
"$python" -m venv /autograder/venv
cd /autograder/source/course
/autograder/venv/bin/pip install --no-cache-dir -c constraints.txt -e '.[course]'
"""
_RUN = """#!/usr/bin/env bash
# Runs for each submission; Gradescope reads results.json.
set -uo pipefail
cd /autograder/source/course
mkdir -p /autograder/results
out=$(mktemp -d)
results=/autograder/results/results.json
odev="/autograder/venv/bin/python -m odev"
if $odev grade /autograder/submission --single --gradescope {options}--out "$out"; then
    cp "$out"/gradescope/*/results.json "$results"
else
    printf '{{"score": 0, "output": "Puanlama çalışmadı; öğretmenine haber ver."}}' > "$results"
fi
"""


def write_gradescope(path: Path, mark: Mark) -> None:
    """Write one submission's results.json."""
    tests: list[dict[str, object]] = [
        {
            "score": score,
            "max_score": result.points,
            "status": "passed" if result.passed else "failed",
            "name": result.name,
            "number": result.task,
            "output": _output(result),
        }
        for result, score in zip(mark.graded.results, mark.scores, strict=True)
    ]
    if mark.exam is not None:
        tests.append(_exam(mark.exam))
    dump(path, {"output": "\n".join(mark.graded.warnings), "tests": tests})


def _exam(exam: TakenExam) -> dict[str, object]:
    """Gradescope adds up what its tests give, so here the exam counts as one of them."""
    return {
        "score": exam.score,
        "max_score": exam.points,
        "status": "passed" if exam.passed else "failed",
        "name": EXAM,
        "output": "\n".join(exam.reasons) or "geçti",
    }


def _output(result: TaskResult) -> str:
    if result.passed:
        return "geçti"
    return "\n".join([result.message, *([f"İpucu: {result.hint}"] if result.hint else [])])


def make_autograder(
    course: Course,
    target: Path,
    lessons: Sequence[int] = (),
    *,
    partial: bool = False,
    exam: bool = False,
) -> None:
    """Write the zip that Gradescope takes as an autograder: the course with its solutions, which Gradescope
    shows to no student, and the two scripts. CourseError for a course that `verify` would refuse."""
    if course.is_students:
        raise CourseError("bu bir öğrenci kopyası: çözümler burada yok, kursun kendisinde çalıştır")
    check_course(course, lessons)
    options = "".join(f"--lesson {lesson} " for lesson in lessons)
    options += "--partial " * partial + "--exam " * exam
    with temporary_folder() as root:
        scripts = {"setup.sh": _SETUP, "run_autograder": _RUN.format(options=options)}
        for name, text in scripts.items():
            (root / name).write_text(text, encoding="utf-8", newline="\n")
        for path in _files(course):
            copy = root / "course" / path.relative_to(course.root)
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(path.read_bytes())
        write_zip(root, target, executable=scripts)


def _files(course: Course) -> list[Path]:
    """What the grading needs: the package and this tool, the lessons with their tags, the steps' tests."""
    files = [course.root / name for name in ("pyproject.toml", "constraints.txt", "README.md", "LICENSE")]
    for folder in (course.lessons, course.solutions, course.src, course.steps):
        files += [path for path in package_files(folder) if ".egg-info" not in str(path)]
    files += sorted(course.steps.parent.glob("*.py"))
    files += sorted((course.steps.parent / "safechat").glob("*.py"))
    return [path for path in files if path.is_file() and ".ipynb_checkpoints" not in path.parts]
