"""Reads and writes CSV as spreadsheets and platforms do: with a BOM, with `;` where the comma is the decimal
point.

Not here: what is in the columns (exports.py, roster.py, platforms.py).
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from odev.course.course import CourseError
from odev.instructor.plain_text import spreadsheet_cell

_LARGEST = 20_000_000  # bytes


def read_text(path: Path) -> str:
    """The text of a CSV: UTF-8, or what a Turkish Windows writes. CourseError for anything else."""
    if not path.is_file():
        raise CourseError(f"{path} diye bir dosya yok")
    if path.stat().st_size > _LARGEST:
        raise CourseError(f"{path} bir CSV için çok büyük")
    content = path.read_bytes()
    for encoding in ("utf-8-sig", "cp1254"):
        try:
            text = content.decode(encoding)
        except UnicodeDecodeError:
            continue
        if "\0" not in text:
            return text
    raise CourseError(f"{path} bir CSV değil")


def delimiter_of(text: str) -> str:
    """The one of `,`, `;` and tab that the first line has most of, outside of quotes."""
    first = re.sub(r'"[^"]*"', "", text.partition("\n")[0])
    return max(",;\t", key=first.count)


def read_table(path: Path) -> list[list[str]]:
    text = read_text(path)
    try:
        return [row for row in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter_of(text)) if row]
    except csv.Error as error:
        raise CourseError(f"{path} bir CSV değil: {error}") from None


def table_text(rows: Iterable[Sequence[str]], delimiter: str) -> str:
    stream = io.StringIO(newline="")
    csv.writer(stream, delimiter=delimiter).writerows(rows)
    return stream.getvalue()


def write_for_spreadsheet(path: Path, rows: Iterable[Sequence[object]], *, turkish: bool = False) -> None:
    """Write the rows: nothing in them is calculated, and Excel reads their Turkish because of the BOM. With
    `turkish` as Excel in Turkish wants it: `;` between the cells and a comma in numbers."""

    def cell(value: object) -> str:
        if isinstance(value, (int, float)):
            return number(value).replace(".", ",") if turkish else number(value)
        return spreadsheet_cell(str(value))

    text = table_text([[cell(value) for value in row] for row in rows], ";" if turkish else ",")
    path.write_text(text, encoding="utf-8-sig", newline="")


def number(value: float) -> str:
    """8, 7.5 or 6.33: never more than two decimals."""
    return f"{value:.2f}".rstrip("0").rstrip(".")
