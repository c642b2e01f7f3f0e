"""How one student's results look, in Turkish: a table in a terminal and in a notebook, else plain text.

Not here: the table of a class and files for other programs (instructor/).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from odev.grading.result import Scored, TaskResult
from odev.grading.signs import sign

_LEFT = '<th style="text-align:left">'


@dataclass(frozen=True, slots=True)
class Report(Scored):
    """Tasks with their points, messages and hints. Notebooks and rich show it as a table."""

    title: str
    results: tuple[TaskResult, ...]
    notes: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        return all(result.passed for result in self.results)

    def __rich__(self) -> RenderableType:
        table = Table(title=self.title, box=box.SIMPLE_HEAD, title_justify="left", title_style="bold")
        table.add_column("")
        table.add_column("görev", no_wrap=True)
        table.add_column("puan", no_wrap=True, justify="right")
        table.add_column("sonuç")
        for result in self.results:
            message = Text(_result_text(result))
            if result.hint:
                message.append(f"\nİpucu: {result.hint}", style="cyan")
            task, points = f"{result.task} {result.name}", f"{result.score}/{result.points}"
            table.add_row(sign(result.state).text(), task, points, message)
        return Group(table, Text(self._total(), style="bold"), *map(Text, self.notes))

    def __repr__(self) -> str:
        lines = [self.title]
        for result in self.results:
            task, points = f"{result.task} {result.name}", f"{result.score}/{result.points}"
            lines.append(f"{sign(result.state).mark} {task}  {points}  {_result_text(result)}")
            if result.hint:
                lines.append(f"    İpucu: {result.hint}")
        return "\n".join([*lines, self._total(), *self.notes])

    def _repr_html_(self) -> str:
        rows = []
        for result in self.results:
            state = sign(result.state)
            hint = f"<div><b>İpucu:</b> {escape(result.hint)}</div>" if result.hint else ""
            rows.append(
                f'<tr><td style="color:{state.color};font-weight:bold">{state.mark}</td>'
                f'<td style="text-align:left">{escape(result.task)} <code>{escape(result.name)}</code></td>'
                f"<td>{result.score}/{result.points}</td>"
                f'<td style="text-align:left">{escape(_result_text(result))}{hint}</td></tr>'
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
        prefix = "Toplam " if len(self.results) > 1 else ""  # one task's points are not the lesson's total
        return f"{prefix}{self.score}/{self.points} puan.{praise}"


def _result_text(result: TaskResult) -> str:
    return "geçti" if result.passed else result.message


@dataclass(frozen=True, slots=True)
class Progress:
    """A line for each lesson, and what comes next (Turkish)."""

    lessons: tuple[Report, ...]
    next_step: str

    def _lines(self) -> Sequence[tuple[str, str, str]]:
        return [
            (
                lesson.title,
                " ".join(sign(result.state).mark for result in lesson.results) or "–",
                f"{lesson.score}/{lesson.points}",
            )
            for lesson in self.lessons
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
        score = sum(lesson.score for lesson in self.lessons)
        points = sum(lesson.points for lesson in self.lessons)
        return f"Toplam {score}/{points} puan. {self.next_step}"
