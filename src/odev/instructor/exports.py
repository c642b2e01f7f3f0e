"""Results for other programs: CSV, JSON, Gradescope's results.json, Classroom 50's result.json.

Not here: tables for people (report.py).
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
    """A line for each submission, a column for each task. With a BOM, which Excel needs to read Turkish."""
    tasks = [each.task for each in all_graded[0].results] if all_graded else []
    with path.open("w", encoding="utf-8-sig", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["name", "score", "points", *tasks, "problems", "warnings"])
        for each in all_graded:
            problems = "; ".join(
                f"{result.task}: {result.state}" for result in each.results if not result.passed
            )
            scores = [result.score for result in each.results]
            row = [each.name, each.score, each.points, *scores, problems, "; ".join(each.warnings)]
            writer.writerow([_no_formula(value) for value in row])


def _no_formula(value: object) -> object:
    """A spreadsheet would calculate a name that begins like a formula."""
    return f"'{value}" if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t")) else value


def write_json(path: Path, all_graded: Sequence[Graded]) -> None:
    told = [
        {
            "name": each.name,
            "score": each.score,
            "points": each.points,
            "warnings": each.warnings,
            "tasks": [{**asdict(result), "score": result.score} for result in each.results],
        }
        for each in all_graded
    ]
    _write(path, told)


def write_gradescope(path: Path, graded: Graded) -> None:
    """https://gradescope-autograders.readthedocs.io/en/latest/specs/"""
    tests = [
        {
            "score": each.score,
            "max_score": each.points,
            "status": "passed" if each.passed else "failed",
            "name": each.name,
            "number": each.task,
            "output": _output(each),
        }
        for each in graded.results
    ]
    _write(path, {"output": "\n".join(graded.warnings), "tests": tests})


def write_classroom50(
    path: Path,
    graded: Graded,
    *,
    environment: Mapping[str, str] = os.environ,
    now: datetime | None = None,
) -> None:
    """Schema classroom50/result/v1; which classroom and assignment it is, the environment says."""
    told = {
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
                "test-name": f"{each.task} {each.name}",
                "passed": each.passed,
                "score": each.score,
                "max-score": each.points,
            }
            for each in graded.results
        ],
    }
    _write(path, told)


def _output(result: TaskResult) -> str:
    if result.passed:
        return "geçti"
    return "\n".join([result.message, *([f"İpucu: {result.hint}"] if result.hint else [])])


def _write(path: Path, told: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(told, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
