"""A package as files: which files it has, and whether Python can import it.

Not here: one definition in one of them (splice.py).
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from odev.course.course import CourseError


def package_files(folder: Path) -> Iterator[Path]:
    """The files of the package in this folder, without Python's caches."""
    for path in sorted(folder.rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            yield path


def check_import(src: Path, package: str) -> None:
    """CourseError when the package in this folder cannot be imported."""
    script = f"import sys; sys.dont_write_bytecode = True; sys.path.insert(0, sys.argv[1]); import {package}"
    process = subprocess.run(
        [sys.executable, "-X", "utf8", "-P", "-c", script, str(src)],
        capture_output=True,
        text=True,
        encoding="utf-8",
        errors="replace",
        check=False,
    )
    if process.returncode:
        lines = process.stderr.strip().splitlines() or [""]
        place = next((line.strip() for line in reversed(lines) if line.lstrip().startswith('File "')), "")
        raise CourseError(f"the package cannot be imported: {lines[-1]} ({place})")
