"""Fills in the files that Moodle and Canvas give for grades, and take back.

Moodle: the grading worksheet (View all submissions → Download grading worksheet), whose headers are in the
language of the site. Canvas: the exported gradebook, in which one column is the assignment's. Every cell that
is not a grade stays as it was. Not here: feedback files (feedback.py).
"""

from __future__ import annotations

import codecs
import csv
import html
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from odev.course.course import CourseError
from odev.course.turkish import fold, latin
from odev.instructor.csv_files import delimiter_of, number, read_text, table_text
from odev.instructor.marks import Mark
from odev.instructor.plain_text import plain, spreadsheet_cell

_ID = ("identifier", "tanımlayıcı", "kimlik")
_NAME = ("full name", "ad soyad", "tam adı", "adı soyadı", "öğrenci")
_MAIL = ("email address", "e-posta adresi", "e-posta")
_GRADE = ("grade", "not", "puan")
_MAXIMUM = ("maximum grade", "maksimum not", "en yüksek not", "maksimum puan")
_FEEDBACK = ("feedback comments", "geri bildirim yorumları", "geribildirim yorumları")


@dataclass(frozen=True, slots=True)
class Filled:
    """The file's new content, and those marks that no line was found for."""

    content: bytes
    left: tuple[str, ...]


def fill_moodle(worksheet: Path, marks: Sequence[Mark]) -> Filled:
    """The worksheet with the grades, on its own scale. CourseError when it has no columns for them."""
    rows, delimiter = _table(worksheet)
    header = [latin(cell) for cell in rows[0]]
    grade, identifier, name = (_column(header, names) for names in (_GRADE, _ID, _NAME))
    if grade is None or (identifier is None and name is None):
        raise CourseError(f"{worksheet}: Moodle'ın not çizelgesi değil (Identifier ve Grade sütunları yok)")
    maximum, feedback, mail = (_column(header, names) for names in (_MAXIMUM, _FEEDBACK, _MAIL))
    finder = _Finder(marks, "moodle")
    for row in rows[1:]:
        row += [""] * (len(header) - len(row))
        id = "".join(re.findall(r"\d+$", row[identifier])) if identifier is not None else ""
        names = [row[at].partition("@")[0] for at in (name, mail) if at is not None]
        mark = finder.find(id, names)
        if mark is None:
            continue
        most = _number(row[maximum]) if maximum is not None else None
        row[grade] = _scaled(mark, most)
        if feedback is not None:
            # Moodle reads it as HTML; before that, somebody may open it in a spreadsheet.
            row[feedback] = html.escape(spreadsheet_cell("; ".join(mark.reasons)), quote=False)
    return Filled(_content(rows, delimiter, worksheet), finder.left())


def fill_canvas(export: Path, marks: Sequence[Mark], assignment: str) -> Filled:
    """The gradebook with the grades in the column whose name begins with `assignment`, on that column's
    scale. CourseError when it is not one column."""
    rows, delimiter = _table(export)
    header = [plain(cell) for cell in rows[0]]
    if header[:2] != ["Student", "ID"]:
        raise CourseError(
            f"{export}: Canvas'tan indirilmiş bir not defteri değil (Student ve ID sütunları yok)"
        )
    columns = [at for at, cell in enumerate(header) if at > 1 and fold(cell).startswith(fold(assignment))]
    if not assignment or len(columns) != 1:
        known = ", ".join(cell for cell in header[2:] if re.search(r"\(\d+\)$", cell))
        raise CourseError(
            f"--canvas-assignment {assignment!r} tek bir sütunu göstermeli; dosyadakiler: {known}"
        )
    (column,) = columns
    login = header.index("SIS Login ID") if "SIS Login ID" in header else 0
    finder, most = _Finder(marks, "canvas"), None
    for row in rows[1:]:
        row += [""] * (len(header) - len(row))
        if row[0].strip() == "Points Possible":
            most = _number(row[column])
            continue
        mark = finder.find(row[1].strip(), [row[0], row[login].partition("@")[0]])
        if mark is not None:
            row[column] = _scaled(mark, most)
    return Filled(_content(rows, delimiter, export), finder.left())


class _Finder:
    """Finds the mark of a line: by the platform's id, else by the name."""

    def __init__(self, marks: Sequence[Mark], platform: str) -> None:
        self._marks = marks
        self._found: set[str] = set()
        self._by_id = {
            mark.graded.submission.upload.id: mark
            for mark in marks
            if mark.graded.submission.upload and mark.graded.submission.upload.platform == platform
        }

    def find(self, id: str, names: Sequence[str]) -> Mark | None:
        mark = self._by_id.get(id)
        if mark is None:
            keys = {"".join(sorted(_words(name))) for name in names if name} - {""}
            same = [one for one in self._marks if "".join(sorted(_words(one.name))) in keys]
            mark = same[0] if len(same) == 1 else None
        if mark is not None:
            self._found.add(mark.name)
        return mark

    def left(self) -> tuple[str, ...]:
        return tuple(mark.name for mark in self._marks if mark.name not in self._found)


def _words(name: str) -> list[str]:
    return [latin(word) for word in re.split(r"[\s,;]+", name)]


def _table(path: Path) -> tuple[list[list[str]], str]:
    text = read_text(path)
    delimiter = delimiter_of(text)
    try:
        rows = list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter))
    except csv.Error as error:
        raise CourseError(f"{path} bir CSV değil: {error}") from None
    if not rows or not rows[0]:
        raise CourseError(f"{path} boş")
    return [row for row in rows if row], delimiter


def _content(rows: Sequence[Sequence[str]], delimiter: str, like: Path) -> bytes:
    """With a BOM where the file that it was made from has one."""
    bom = like.read_bytes()[:3] == codecs.BOM_UTF8
    return table_text(rows, delimiter).encode("utf-8-sig" if bom else "utf-8")


def _column(header: Sequence[str], names: Sequence[str]) -> int | None:
    return next((header.index(latin(name)) for name in names if latin(name) in header), None)


def _number(text: str) -> float | None:
    try:
        return float(text.strip().replace(",", "."))
    except ValueError:
        return None


def _scaled(mark: Mark, most: float | None) -> str:
    """The score on the scale of the platform."""
    if not most or not mark.points:
        return number(mark.score)
    return number(mark.score * most / mark.points)
