"""What the name of an uploaded file says: Moodle's, Canvas', a browser's.

Only names are looked at. Not here: which files belong to whom (handed_in.py).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from odev.instructor.plain_text import plain

# mod/assign/locallib.php: `Ad Soyad_1234567_assignsubmission_file_`, then the student's own name of the
# file; for a folder a student, nothing (Moodle 4.1) or the last `_` alone (before).
_MOODLE = re.compile(r"(?P<name>[^_]+)_(?P<id>\d+)_assignsubmission_[a-z]+(?:_(?P<file>.*))?", re.DOTALL)
# `soyadad_LATE_12345_678901_`, then the student's own name of the file
_CANVAS = re.compile(r"(?P<name>[^_]+)_(?P<late>LATE_)?(?P<id>\d+)_\d+_(?P<file>.+)", re.DOTALL)
_NOTEBOOK = re.compile(r"(?P<stem>.+)\.ipynb(?P<between> ?\(\d+\))?(?:\.(?:json|txt))?", re.IGNORECASE)
_COPY = re.compile(r"(?P<stem>.+?)(?: ?\((?P<browser>\d+)\)|-Copy(?P<jupyter>\d+))", re.IGNORECASE)
_CANVAS_COPY = re.compile(r".+-(?P<number>\d+)")  # of a file that was handed in again
_OF_A_LESSON = re.compile(r"\d\d_")
ARCHIVES = (".rar", ".7z", ".tar", ".gz", ".tgz", ".bz2", ".xz")  # which Python or nobody here unpacks


@dataclass(frozen=True, slots=True)
class Upload:
    """Who handed it in, by the platform's id. `name` is as the platform writes it."""

    platform: str
    id: str
    name: str
    late: bool = False


def upload(name: str) -> tuple[Upload, str] | None:
    """The upload, and the student's own name of the file (empty for a folder); None without a platform."""
    match = _MOODLE.fullmatch(name)
    if match is not None:
        return Upload("moodle", match["id"], plain(match["name"])), match["file"] or ""
    match = _CANVAS.fullmatch(name)
    if match is not None:
        return Upload("canvas", match["id"], plain(match["name"]), bool(match["late"])), match["file"]
    return None


def is_notebook(name: str) -> bool:
    """Also `01.ipynb.json` and `01.ipynb.txt`, which browsers make of a download."""
    return _NOTEBOOK.fullmatch(name) is not None


def is_zip(name: str) -> bool:
    return name.lower().endswith(".zip")


def is_archive(name: str) -> bool:
    """Whether it is packed in a way that is not read."""
    return name.lower().endswith(ARCHIVES)


def copy_number(name: str) -> int:
    """2 for `01 (2).ipynb`: the second copy that a browser saved, or that was handed in; else 0."""
    stem, number = _stem_and_copy(name)
    again = _CANVAS_COPY.fullmatch(stem)
    return number or (int(again["number"]) if again else 0)


def owner(name: str) -> str:
    """The name of the student that a loose file is named after; `ali` for `ali (1).ipynb`.

    A file that is named after a lesson (`01_words (1).ipynb`) may be of anybody, so it keeps its whole name.
    """
    return _stem(name) if is_of_a_lesson(name) else _stem_and_copy(name)[0]


def is_of_a_lesson(name: str) -> bool:
    return _OF_A_LESSON.match(name) is not None


def _stem(name: str) -> str:
    match = _NOTEBOOK.fullmatch(name)
    return match["stem"] + (match["between"] or "") if match else name.rpartition(".")[0] or name


def _stem_and_copy(name: str) -> tuple[str, int]:
    stem = _stem(name)
    copy = _COPY.fullmatch(stem)
    return (copy["stem"], int(copy["browser"] or copy["jupyter"])) if copy else (stem, 0)
