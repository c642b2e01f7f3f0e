"""Writes results for other programs: CSV, JSON, Gradescope's results.json, Classroom 50's result.json.

Not here: the table for a person (gradebook.py).
"""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from odev.grading.result import TaskResult
from odev.instructor.grade import Graded


def write_csv(path: Path, all_graded: Sequence[Graded]) -> None:
    """Write a line for each submission, a column for each task. Excel needs the BOM to read Turkish."""
    tasks = [result.task for result in all_graded[0].results] if all_graded else []
    with path.open("w", encoding="utf-8-sig", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["name", "score", "points", *tasks, "problems", "warnings"])
        for graded in all_graded:
            problems = [f"{result.task}: {result.state}" for result in graded.results if not result.passed]
            scores = [result.score for result in graded.results]
            texts = ["; ".join(problems), "; ".join(graded.warnings)]
            row = [graded.name, graded.score, graded.points, *scores, *texts]
            writer.writerow([_no_formula(value) for value in row])


def _no_formula(value: object) -> object:
    """The value, with a quote before a text that a spreadsheet would calculate as a formula."""
    return f"'{value}" if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t")) else value


def write_json(path: Path, all_graded: Sequence[Graded]) -> None:
    """Write a list of the submissions, each with its tasks."""
    grades = [
        {
            "name": graded.name,
            "score": graded.score,
            "points": graded.points,
            "warnings": graded.warnings,
            "tasks": [{**asdict(result), "score": result.score} for result in graded.results],
        }
        for graded in all_graded
    ]
    _dump(path, grades)


def write_gradescope(path: Path, graded: Graded) -> None:
    """Write one submission as https://gradescope-autograders.readthedocs.io/en/latest/specs/ asks for it."""
    tests = [
        {
            "score": result.score,
            "max_score": result.points,
            "status": "passed" if result.passed else "failed",
            "name": result.name,
            "number": result.task,
            "output": _gradescope_output(result),
        }
        for result in graded.results
    ]
    _dump(path, {"output": "\n".join(graded.warnings), "tests": tests})


def write_classroom50(
    path: Path,
    graded: Graded,
    *,
    environment: Mapping[str, str] = os.environ,
    now: datetime | None = None,
) -> None:
    """Write one submission by the schema classroom50/result/v1.

    The environment names the classroom and the assignment.
    """
    content = {
        "schema": "classroom50/result/v1",
        "classroom": environment.get("CLASSROOM", ""),
        "assignment": environment.get("ASSIGNMENT", ""),
        "assignment_type": "individual",
        "owner": graded.name,
        "submission": environment.get("SUBMISSION_TAG", ""),
        "commit": environment.get("COMMIT_URL", ""),
        "release": environment.get("RELEASE_URL", ""),
        "review": environment.get("REVIEW_URL", ""),
        "datetime": (now or datetime.now(UTC)).isoformat(timespec="seconds"),
        "score": graded.score,
        "max-score": graded.points,
        "tests": [
            {
                "test-name": f"{result.task} {result.name}",
                "passed": result.passed,
                "score": result.score,
                "max-score": result.points,
            }
            for result in graded.results
        ],
    }
    _dump(path, content)


def _gradescope_output(result: TaskResult) -> str:
    if result.passed:
        return "geçti"
    return "\n".join([result.message, *([f"İpucu: {result.hint}"] if result.hint else [])])


def _dump(path: Path, content: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
