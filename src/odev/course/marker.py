"""The file that marks a student's own copy of the course: its tasks, and what has landed in its src.

Not here: how an answer lands (students_copy.py).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from odev.course.files import replace_text

STUDENT_MARKER = ".odev-student"  # in the root of what `release` makes; nowhere else


@dataclass(frozen=True, slots=True)
class Marker:
    """Both by the task's id: `tasks` holds the full names of the definitions, `landed` the helpers that
    landed with each answer."""

    tasks: Mapping[str, str]
    landed: Mapping[str, Sequence[str]] = field(default_factory=dict)


class BrokenMarker(Exception):
    """The file is not as `release` wrote it; the message is Turkish."""


def read_marker(root: Path) -> Marker:
    """Raises BrokenMarker."""
    try:
        return Marker(**json.loads((root / STUDENT_MARKER).read_text(encoding="utf-8")))
    except (ValueError, TypeError):
        raise BrokenMarker(f"{STUDENT_MARKER} bozulmuş: kursun zip'indeki hâlini geri koy") from None


def write_marker(root: Path, marker: Marker) -> None:
    replace_text(root / STUDENT_MARKER, json.dumps(asdict(marker), indent=1, ensure_ascii=False) + "\n")
