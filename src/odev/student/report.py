"""How results look: a table in a terminal, the same in a notebook, plain text anywhere else. In Turkish.

Not here: files for other programs (exports.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from odev.grading.result import TaskResult
from odev.grading.signs import sign

_LEFT = '<th style="text-align:left">'


@dataclass(frozen=True, slots=True)
class Report:
    """Tasks with their points, what failed and the hint. The last value of a cell shows itself."""

    title: str
    results: tuple[TaskResult, ...]
    notes: tuple[str, ...] = ()

    @property
    def score(self) -> int:
        return sum(each.score for each in self.results)

    @property
    def points(self) -> int:
        return sum(each.points for each in self.results)

    @property
    def passed(self) -> bool:
        return all(each.passed for each in self.results)

    def __rich__(self) -> RenderableType:
        table = Table(title=self.title, box=box.SIMPLE_HEAD, title_justify="left", title_style="bold")
        table.add_column("")
        table.add_column("görev", no_wrap=True)
        table.add_column("puan", no_wrap=True, justify="right")
        table.add_column("sonuç")
        for each in self.results:
            said = Text(_said(each))
            if each.hint:
                said.append(f"\nİpucu: {each.hint}", style="cyan")
            table.add_row(
                sign(each.state).text(), f"{each.task} {each.name}", f"{each.score}/{each.points}", said
            )
        return Group(table, Text(self._total(), style="bold"), *map(Text, self.notes))

    def __repr__(self) -> str:
        lines = [self.title]
        for each in self.results:
            mark = sign(each.state).mark
            lines.append(f"{mark} {each.task} {each.name}  {each.score}/{each.points}  {_said(each)}")
            if each.hint:
                lines.append(f"    İpucu: {each.hint}")
        return "\n".join([*lines, self._total(), *self.notes])

    def _repr_html_(self) -> str:
        rows = []
        for each in self.results:
            state = sign(each.state)
            hint = f"<div><b>İpucu:</b> {escape(each.hint)}</div>" if each.hint else ""
            rows.append(
                f'<tr><td style="color:{state.color};font-weight:bold">{state.mark}</td>'
                f'<td style="text-align:left">{escape(each.task)} <code>{escape(each.name)}</code></td>'
                f"<td>{each.score}/{each.points}</td>"
                f'<td style="text-align:left">{escape(_said(each))}{hint}</td></tr>'
            )
        notes = "".join(f"<div>{escape(note)}</div>" for note in self.notes)
        return (
            f'<div class="odev-report"><b>{escape(self.title)}</b><table><thead><tr><th></th>'
            f"{_LEFT}görev</th><th>puan</th>{_LEFT}sonuç</th></tr></thead><tbody>{''.join(rows)}</tbody></table>"
            f"<b>{escape(self._total())}</b>{notes}</div>"
        )

    def _total(self) -> str:
        if not self.results:
            return ""
        praise = " Eline sağlık!" if self.passed else ""
        whole = "Toplam " if len(self.results) > 1 else ""  # of one task it would look like the lesson's
        return f"{whole}{self.score}/{self.points} puan.{praise}"


def _said(each: TaskResult) -> str:
    return "geçti" if each.passed else each.message


@dataclass(frozen=True, slots=True)
class Progress:
    """All lessons: a line each, and what is next."""

    lessons: tuple[Report, ...]
    next: str

    def _lines(self) -> Sequence[tuple[str, str, str]]:
        return [
            (
                each.title,
                " ".join(sign(result.state).mark for result in each.results) or "–",
                f"{each.score}/{each.points}",
            )
            for each in self.lessons
        ]

    def __rich__(self) -> RenderableType:
        table = Table(box=box.SIMPLE_HEAD)
        table.add_column("ders")
        table.add_column("görevler", no_wrap=True)
        table.add_column("puan", justify="right", no_wrap=True)
        for line in self._lines():
            table.add_row(*line)
        return Group(table, Text(self._total(), style="bold"))

    def __repr__(self) -> str:
        rows = [f"{points:>7}  {title}  {signs}" for title, signs, points in self._lines()]
        return "\n".join([*rows, self._total()])

    def _repr_html_(self) -> str:
        rows = "".join(
            f'<tr><td style="text-align:left">{escape(title)}</td><td>{signs}</td><td>{points}</td></tr>'
            for title, signs, points in self._lines()
        )
        return (
            '<div class="odev-report"><table><thead><tr>'
            f"{_LEFT}ders</th><th>görevler</th><th>puan</th></tr>"
            f"</thead><tbody>{rows}</tbody></table><b>{escape(self._total())}</b></div>"
        )

    def _total(self) -> str:
        score, points = sum(each.score for each in self.lessons), sum(each.points for each in self.lessons)
        return f"Toplam {score}/{points} puan. {self.next}"
