"""Grades a class of sixty twice, five of them hostile: the points must be the same, and each time under five
minutes on two cores.

    python tests/benchmarks/class_of_sixty.py

Right answers come from the solutions, wrong ones from tests/wrong_answers. The hostile ones do in every
function what stands in `HOSTILE`; they may lose their own points and nobody else's.
"""

from __future__ import annotations

import ast
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from odev.course.cells import TaskId, read_notebook
from odev.course.course import Course, find_course
from odev.instructor.grade import Graded, grade
from odev.instructor.handed_in import find_submissions
from odev.instructor.submission import read_submission

STUDENTS = 60
LONGEST = 300  # seconds
HOSTILE = {
    "loops": "while True: pass",
    "sleeps": "import time\nwhile True: time.sleep(0.1)",
    "forks": "import os, time\nend = time.time() + 5\nwhile time.time() < end: time.sleep(0.02); os.fork()",
    "deletes": "import glob, os, shutil\nfor at in glob.glob('../../../class-of-sixty/odev-*'):\n"
    "    shutil.rmtree(at, ignore_errors=True)",
    "patches": "import sys\nsys.modules['_pytest.python'].Function.runtest = lambda self: None",
}


def main() -> int:
    course = find_course(Path(__file__))
    with tempfile.TemporaryDirectory() as folder:
        runs = Path(folder) / "class-of-sixty"
        runs.mkdir()
        tempfile.tempdir = str(runs)  # so that what `deletes` removes is ours
        inbox = Path(folder) / "inbox"
        for name, cells in submissions(course):
            (inbox / name).mkdir(parents=True)
            own = {id: f"{source}\n# {name}" for id, source in cells.items()}  # no two cells are the same
            (inbox / name / "lessons.ipynb").write_text(notebook(own), encoding="utf-8")
        rounds = [graded(course, inbox, Path(folder) / f"out{number}") for number in (1, 2)]
    first, second = (points for points, _ in rounds)
    problems = [
        f"{name}: {first[name]} and then {second[name]}" for name in first if first[name] != second[name]
    ]
    everything = max(sum(points.values()) for points in first.values())
    problems += [
        f"{name}: {points}"
        for name, points in first.items()
        if name.startswith("right") and sum(points.values()) < everything
    ]
    for _, seconds in rounds:
        print(f"{STUDENTS} submissions of {len(course.tasks)} tasks: {seconds:.0f} s")
        if seconds > LONGEST:
            problems.append(f"{seconds:.0f} s are more than {LONGEST} s")
    print("\n".join(problems) or "the same points twice, and all points for each right answer")
    return 1 if problems else 0


def graded(course: Course, inbox: Path, out: Path) -> tuple[dict[str, dict[str, int]], float]:
    """The points by student and task, and the seconds that it took."""
    started = time.monotonic()
    submissions = [read_submission(one) for one in find_submissions([inbox], out).values()]
    results: list[Graded] = grade(course, submissions, out)
    seconds = time.monotonic() - started
    states = {one.name: " ".join(result.state for result in one.results) for one in results}
    print("\n".join(f"  {name}: {states[name]}" for name in states if name in HOSTILE))
    shutil.rmtree(out)
    print(f"  CPU so far: {sum(os.times()[:4]):.0f} s")
    return {one.name: {result.task: result.score for result in one.results} for one in results}, seconds


def submissions(course: Course) -> Iterator[tuple[str, Mapping[TaskId, str]]]:
    """Five hostile ones, then in turns: all right, some wrong, half of it not written."""
    right = {
        cell.id: cell.source
        for path in sorted(course.solutions.glob("[0-9][0-9]_*.ipynb"))
        for cell in read_notebook(path.name, path.read_bytes()).cells
    }
    wrong: dict[TaskId, list[str]] = {}
    for path in sorted(course.wrong_answers.glob("*.py")):
        wrong.setdefault(TaskId.parse(path.name.partition("_")[0]), []).append(path.read_text("utf-8"))
    for name, trick in HOSTILE.items():
        yield name, {id: with_trick(source, trick) for id, source in right.items()}
    for number in range(STUDENTS - len(HOSTILE)):
        kind = ("right", "wrong", "half")[number % 3]
        cells = dict(right)
        for at, id in enumerate(sorted(right)):
            if kind == "wrong" and id in wrong:
                cells[id] = wrong[id][number % len(wrong[id])]
            elif kind == "half" and at % 2:
                cells[id] = course.stubs[id]
        yield f"{kind}{number:02}", cells


def with_trick(source: str, trick: str) -> str:
    """The cell, with this at the beginning of each function."""
    tag, _, rest = source.partition("\n")
    tree = ast.parse(rest)
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            node.body = [*ast.parse(trick).body, *node.body]
    return f"{tag}\n{ast.unparse(tree)}\n"


def notebook(cells: Mapping[TaskId, str]) -> str:
    written: list[dict[str, object]] = [
        {"cell_type": "code", "metadata": {}, "outputs": [], "execution_count": None, "source": source}
        for source in cells.values()
    ]
    return json.dumps({"cells": written, "metadata": {}, "nbformat": 4, "nbformat_minor": 5})


if __name__ == "__main__":
    sys.exit(main())
