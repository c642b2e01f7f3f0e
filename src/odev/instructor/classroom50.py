"""Classroom 50's result.json, by its schema classroom50/result/v1: github.com/foundation50/classroom50, wiki,
Advanced Autograding.

Days late cost nothing here: Classroom 50 marks them itself, by `datetime`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from odev.course.course import CourseError
from odev.instructor.exports import dump
from odev.instructor.marks import EXAM, Mark

_NEEDED = ("CLASSROOM", "ASSIGNMENT", "SUBMISSION_TAG", "COMMIT_URL", "RELEASE_URL")
_TIME_IN_TAG = re.compile(r"(\d{4}-\d\d-\d\d)T(\d\d)-(\d\d)-(\d\d)Z")


def check_environment(environment: Mapping[str, str] = os.environ) -> None:
    """CourseError when a variable is not set that Classroom 50's runner sets: no field may be empty."""
    missing = [name for name in _NEEDED if not environment.get(name)]
    if missing:
        raise CourseError(f"--classroom50 için eksik ortam değişkeni: {', '.join(missing)}")


def write_classroom50(
    path: Path, mark: Mark, *, environment: Mapping[str, str] = os.environ, now: datetime | None = None
) -> None:
    """Write one submission. The runner's environment names it, its owner and when it was handed in. Points
    are integers there: a part of a point is left out. The exam is one test more, where it was taken."""
    check_environment(environment)
    graded_at = _written(now or datetime.now(UTC))
    tests = [
        _test(f"{result.task} {result.name}", result.passed, score, result.points)
        for result, score in zip(mark.graded.results, mark.scores, strict=True)
    ]
    if mark.exam is not None:
        tests.append(_test(EXAM, mark.exam.passed, mark.exam.score, mark.exam.points))
    content = {
        "schema": "classroom50/result/v1",
        "classroom": environment["CLASSROOM"],
        "assignment": environment["ASSIGNMENT"],
        "assignment_type": environment.get("ASSIGNMENT_TYPE") or "individual",
        "owner": environment.get("OWNER") or environment.get("USERNAME") or mark.name,
        "submission": environment["SUBMISSION_TAG"],
        "commit": environment["COMMIT_URL"],
        "release": environment["RELEASE_URL"],
        "review": environment.get("REVIEW_URL") or environment["COMMIT_URL"],
        "datetime": _handed_in(environment["SUBMISSION_TAG"]) or graded_at,
        "graded_at": graded_at,
        "score": sum(test["score"] for test in tests),
        "max-score": sum(test["max-score"] for test in tests),
        "tests": tests,
    }
    dump(path, content)


def _test(name: str, passed: bool, score: float, points: int) -> dict[str, Any]:
    return {"test-name": name, "passed": passed, "score": int(score), "max-score": points}


def _handed_in(tag: str) -> str:
    """The time in `submit/2026-06-01T14-32-05Z-a1b2c3d`; empty when there is none."""
    match = _TIME_IN_TAG.search(tag)
    return f"{match[1]}T{match[2]}:{match[3]}:{match[4]}Z" if match else ""


def _written(time: datetime) -> str:
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
