"""The file that marks a student's own copy of the course: its tasks, and what has landed in its src.

Not here: what landing is (students_copy.py).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

STUDENT_MARKER = ".odev-student"  # in the root of what `release` makes; nowhere else


def read_marker(root: Path) -> dict[str, dict[str, Any]]:
    """`tasks`: by id, the name of the definition. `landed`: by id, the helpers that came with it."""
    marker: dict[str, dict[str, Any]] = json.loads((root / STUDENT_MARKER).read_text("utf-8"))
    return marker
