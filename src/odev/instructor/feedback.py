"""What a student gets back: an HTML page in Turkish with points, what failed, and where to look.

Moodle takes the pages back as one zip ('Upload multiple feedback files in a zip'), by the names in it:
mod/assign/feedback/file/importziplib.php. Not here: the table of the class (gradebook.py).
"""

from __future__ import annotations

import html
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from odev.grading.result import TaskResult
from odev.grading.signs import sign
from odev.instructor.csv_files import number
from odev.instructor.marks import Mark
from odev.instructor.plain_text import harmless_name, safe_file_name

FILE = "geri-bildirim.html"
_STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:46em;margin:2em auto;padding:0 1em}"
    "table{border-collapse:collapse;width:100%}td,th{padding:.4em .6em;text-align:left;vertical-align:top;"
    "border-bottom:1px solid #ccc}.n{text-align:right;white-space:nowrap}code{white-space:pre-wrap}"
)


def write_feedback(folder: Path, marks: Sequence[Mark]) -> list[Path]:
    """Write a page for each student and, where Moodle's files were graded, the zip for Moodle beside the
    folder. Returns what was written: the folder, then the zip."""
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("*.html"):  # of students who are not there any more
        old.unlink()
    for mark in marks:
        (folder / f"{safe_file_name(mark.name)}.html").write_text(page(mark), encoding="utf-8")
    target = folder.with_name(f"{folder.name}-moodle.zip")
    uploads = [(mark, mark.graded.submission.upload) for mark in marks]
    of_moodle = [(mark, upload) for mark, upload in uploads if upload and upload.platform == "moodle"]
    if not of_moodle:
        return [folder]
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for mark, upload in of_moodle:
            name = harmless_name(upload.name.replace("_", " "))
            archive.writestr(f"{name}_{upload.id}_assignsubmission_file_/{FILE}", page(mark))
    return [folder, target]


def page(mark: Mark) -> str:
    """The page of one student; whatever stands in it is shown as text."""
    score = f"{number(mark.score)} / {mark.points} puan"
    lines = [
        "<!doctype html>",
        f'<html lang="tr"><head><meta charset="utf-8"><title>{html.escape(mark.name)}</title>',
        f"<style>{_STYLE}</style></head><body>",
        f"<h1>{html.escape(mark.name)}: {score}</h1>",
        "<table><tr><th></th><th>görev</th><th>puan</th><th>ne oldu</th></tr>",
    ]
    for result, own in zip(mark.graded.results, mark.scores, strict=True):
        state = sign(result.state)
        lines.append(
            f'<tr><td style="color:{state.color}">{state.mark}</td>'
            f"<td>{result.task} <code>{html.escape(result.name)}</code></td>"
            f'<td class="n">{number(own)} / {result.points}</td>'
            f"<td>{'<br>'.join(_what_happened(result))}</td></tr>"
        )
    lines.append("</table>")
    if mark.days:
        lines.append(f"<p>Teslim {mark.days} gün geç: {number(mark.lost)} puan düşüldü.</p>")
    if mark.exam is not None:
        lines.append(f"<h2>Sınav: {mark.exam.score} / {mark.exam.points} puan</h2>")
        lines += [f"<p>{html.escape(reason)}</p>" for reason in mark.exam.reasons]
    if mark.graded.submission.warnings:
        lines.append("<p>Teslimle ilgili notlar:</p><ul>")
        lines += [f"<li>{html.escape(warning)}</li>" for warning in mark.graded.submission.warnings]
        lines.append("</ul>")
    lines.append("<p>Bir yanlışlık olduğunu düşünüyorsan öğretmenine yaz.</p></body></html>")
    return "\n".join(lines) + "\n"


def _what_happened(result: TaskResult) -> Iterator[str]:
    if result.passed:
        yield "geçti"
    if result.message:
        yield html.escape(result.message)
    if result.crash is not None:
        if result.crash.call:
            yield f"Çağrı: <code>{html.escape(result.crash.call)}</code>"
        yield f"Satır: <code>{html.escape(result.crash.line)}</code>"
    if result.hint:
        yield f"İpucu: {html.escape(result.hint)}"
    if result.tests and not result.passed:
        yield f"{result.tests} testten {result.passed_tests} tanesi geçti."
    for note in result.notes:
        yield html.escape(note)
