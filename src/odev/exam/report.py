"""The exam's table: in a terminal and in a notebook, as plain text, and as data.

Not here: what the lines are worth (lines.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import Any

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from odev.exam.day import CALLS
from odev.exam.lines import POINTS, Mark
from odev.grading.result import State
from odev.grading.signs import Sign, sign

_TITLE = f"Sınav: {CALLS} çağrılık bir gün"
_OWN, _UNSAFE = "senin paketin", "güvensiz program"
_NOTE = (
    "Güvensiz program: lessons/ask_question.py, ders 00'da düzelttiğimiz hâliyle. Anahtarı ortam "
    "değişkeninde duruyor, kasası yok."
)


@dataclass(frozen=True, slots=True)
class Line:
    """`title` is what happens (Turkish), `lesson` where its answer is learnt; `unsafe` is None where the
    package took the exam alone."""

    title: str
    lesson: int
    package: Mark
    unsafe: Mark | None = None

    @property
    def points(self) -> int:
        return POINTS


@dataclass(frozen=True, slots=True)
class Exam:
    """The ten lines. `problems` says where the package broke off, by the hour (Turkish)."""

    lines: tuple[Line, ...]
    problems: tuple[str, ...] = ()

    @property
    def score(self) -> int:
        return sum(line.package.score for line in self.lines)

    @property
    def unsafe_score(self) -> int:
        return sum(line.unsafe.score for line in self.lines if line.unsafe is not None)

    @property
    def points(self) -> int:
        return sum(line.points for line in self.lines)

    @property
    def passed(self) -> bool:
        return self.score == self.points

    @property
    def compared(self) -> bool:
        return any(line.unsafe is not None for line in self.lines)

    def to_dict(self) -> dict[str, Any]:
        """For other programs: the points, and each line with what was counted."""
        return {
            "score": self.score,
            "points": self.points,
            "lines": [
                {
                    "title": line.title,
                    "lesson": line.lesson,
                    "score": line.package.score,
                    "points": line.points,
                    "text": line.package.text,
                }
                for line in self.lines
            ],
            "problems": list(self.problems),
        }

    def __rich__(self) -> RenderableType:
        table = Table(title=_TITLE, box=box.SIMPLE_HEAD, title_justify="left", title_style="bold")
        table.add_column("")
        table.add_column("ne oldu")
        table.add_column("paketin", no_wrap=True, justify="right")
        if self.compared:
            table.add_column("güvensiz", no_wrap=True, justify="right", style="dim")
        for line in self.lines:
            what = Text(line.title, "bold").append(f" · ders {line.lesson:02}", "not bold dim")
            what.append(f"\n{line.package.text}", "not bold")
            row: list[RenderableType] = [_sign(line.package).text(), what, _points(line.package)]
            if line.unsafe is not None:
                what.append(f"\ngüvensiz: {line.unsafe.text}", "not bold dim")
                row.append(_points(line.unsafe))
            table.add_row(*row)
        return Group(table, Text(self._total(), style="bold"), *map(Text, self._notes()))

    def __repr__(self) -> str:
        rows = [_TITLE]
        for line in self.lines:
            own = line.package
            rows.append(f"{_sign(own).mark} {line.title} (ders {line.lesson:02})  {_points(own)}  {own.text}")
            if line.unsafe is not None:
                rows.append(f"    {_UNSAFE}: {_points(line.unsafe)}  {line.unsafe.text}")
        return "\n".join([*rows, self._total(), *self._notes()])

    def _repr_html_(self) -> str:
        left = 'style="text-align:left"'
        head = f"<th></th><th {left}>ne oldu</th><th>puan</th><th {left}>{_OWN}</th>"
        if self.compared:
            head += f"<th>puan</th><th {left}>{_UNSAFE}</th>"
        rows = []
        for line in self.lines:
            state = _sign(line.package)
            rows.append(
                f'<tr><td style="color:{state.color};font-weight:bold">{state.mark}</td>'
                f"<td {left}>{escape(line.title)} <small>ders&nbsp;{line.lesson:02}</small></td>"
                f"<td>{_points(line.package)}</td><td {left}>{escape(line.package.text)}</td>"
            )
            if line.unsafe is not None:
                rows.append(f"<td>{_points(line.unsafe)}</td><td {left}>{escape(line.unsafe.text)}</td>")
            rows.append("</tr>")
        notes = "".join(f"<div>{escape(note)}</div>" for note in self._notes())
        return (
            f'<div class="odev-report"><b>{escape(_TITLE)}</b><table><thead><tr>{head}</tr></thead>'
            f"<tbody>{''.join(rows)}</tbody></table><b>{escape(self._total())}</b>{notes}</div>"
        )

    def _total(self) -> str:
        praise = " Eline sağlık, paketin bu günü kayıpsız bitirdi!" if self.passed else ""
        other = f" Güvensiz program: {self.unsafe_score}/{self.points} puan." if self.compared else ""
        return f"Senin paketin: {self.score}/{self.points} puan.{praise}{other}"

    def _notes(self) -> list[str]:
        notes = list(self.problems)
        lessons = sorted({line.lesson for line in self.lines if not line.package.passed})
        if lessons:
            where = ", ".join(f"{lesson:02}" for lesson in lessons)
            notes.append(f"Kaybettiğin satırları hangi derslerde öğrendik: {where}.")
        return [*notes, _NOTE] if self.compared else notes


def _points(mark: Mark) -> str:
    return f"{mark.score}/{POINTS}"


def _sign(mark: Mark) -> Sign:
    return sign(State.PASSED if mark.passed else State.FAILED)
