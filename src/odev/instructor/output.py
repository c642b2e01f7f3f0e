"""Which files a grading writes, and where; one grading at a time in one folder.

Not here: what is in them (exports.py, platforms.py, feedback.py, same_answers.py).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from odev.course.cells import TaskId
from odev.course.course import CourseError
from odev.course.files import replace_text
from odev.instructor.classroom50 import check_environment, write_classroom50
from odev.instructor.exports import write_csv, write_json
from odev.instructor.feedback import write_feedback
from odev.instructor.gradescope import write_gradescope
from odev.instructor.marks import Mark
from odev.instructor.plain_text import safe_file_name
from odev.instructor.platforms import Filled, fill_canvas, fill_moodle
from odev.instructor.same_answers import report, same_answers


@contextmanager
def alone_in(out: Path) -> Iterator[None]:
    """The block of a grading that writes into this folder. CourseError while another one, which lives, does:
    they would replace each other's files."""
    mark = out / "grader.json"
    with suppress(OSError, ValueError, TypeError, psutil.Error):
        pid, born = json.loads(mark.read_text(encoding="utf-8"))
        if psutil.Process(pid).create_time() == born:
            raise CourseError(
                f"{out} klasörüne şu anda başka bir puanlama yazıyor (process {pid}): bitmesini bekle ya da "
                "başka bir --out ver"
            )
    me = psutil.Process()
    replace_text(mark, json.dumps([me.pid, me.create_time()]))
    try:
        yield
    finally:
        mark.unlink(missing_ok=True)


@dataclass(frozen=True, slots=True)
class Outputs:
    """The files that are wanted beside grades.csv and grades.json, in the folder `out`."""

    out: Path
    excel_tr: bool = False
    feedback: bool = False
    same: bool = False
    moodle: Path | None = None
    canvas: Path | None = None
    canvas_assignment: str = ""
    gradescope: bool = False
    classroom50: bool = False

    def check(self) -> None:
        """CourseError for what would fail after the grading, which takes minutes."""
        if self.out.exists() and not self.out.is_dir():
            raise CourseError(f"{self.out} bir klasör değil")
        self.out.mkdir(parents=True, exist_ok=True)
        if self.moodle is not None:
            fill_moodle(self.moodle, [])
        if self.canvas is not None:
            fill_canvas(self.canvas, [], self.canvas_assignment)
        if self.classroom50:
            check_environment()

    def write(self, marks: Sequence[Mark], stubs: Mapping[TaskId, str]) -> list[str]:
        """Write them all. Returns what the instructor should know (Turkish)."""
        remarks: list[str] = []
        write_csv(self.out / "grades.csv", marks, turkish=self.excel_tr)
        write_json(self.out / "grades.json", marks)
        for mark in marks:
            name = safe_file_name(mark.name)
            if self.gradescope:
                write_gradescope(self.out / "gradescope" / name / "results.json", mark)
            if self.classroom50:
                write_classroom50(self.out / "classroom50" / name / "result.json", mark)
        if self.feedback:
            written = write_feedback(self.out / "feedback", marks)
            remarks.append(f"Geri bildirim: {', '.join(map(str, written))}")
        if self.moodle is not None:
            remarks += self._write_filled(self.moodle, "moodle.csv", fill_moodle(self.moodle, marks))
        if self.canvas is not None:
            filled = fill_canvas(self.canvas, marks, self.canvas_assignment)
            remarks += self._write_filled(self.canvas, "canvas.csv", filled)
        if self.same:
            submissions = [mark.graded.submission for mark in marks]
            found = same_answers(submissions, stubs)
            replace_text(self.out / "same_answers.md", report(found, len(submissions)))
            remarks.append(f"Benzeyen cevaplar (ipucudur, hüküm değil): {self.out / 'same_answers.md'}")
        return remarks

    def _write_filled(self, source: Path, name: str, filled: Filled) -> list[str]:
        target = self.out / name
        if target.resolve() == source.resolve():
            raise CourseError(f"{source} sonuçların klasöründe duruyor; başka bir yere taşı")
        target.write_bytes(filled.content)
        left = f"; dosyada satırı bulunamayanlar: {', '.join(filled.left)}" if filled.left else ""
        return [f"Dolduruldu: {target}{left}"]
