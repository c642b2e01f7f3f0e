"""How one student's results look, in Turkish: a table in a terminal and in a notebook, else plain text.

Not here: the table of a class and files for other programs (instructor/).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from odev.grading.junit import Crash
from odev.grading.result import Scored, TaskResult
from odev.grading.signs import sign

_LEFT = '<th style="text-align:left">'


@dataclass(frozen=True, slots=True)
class Report(Scored):
    """Tasks with their points, messages and hints. Notebooks and rich show it as a table; without a task, its
    notes alone.

    `hints` is the number of hints that it shows for a task: 1, or 2 on request.
    """

    title: str
    results: tuple[TaskResult, ...]
    notes: tuple[str, ...] = ()
    hints: int = 1

    @property
    def passed(self) -> bool:
        return all(result.passed for result in self.results)

    def __rich__(self) -> RenderableType:
        table = Table(title=self.title, box=box.SIMPLE_HEAD, title_justify="left", title_style="bold")
        table.add_column("")
        table.add_column("görev", overflow="fold")
        table.add_column("puan", no_wrap=True, justify="right")
        table.add_column("sonuç", overflow="fold")
        for result in self.results:
            message = Text(_result_text(result))
            for label, text in self._advice(result):
                message.append(f"\n{label}: {text}", style="cyan")
            task, points = f"{result.task} {result.name}", f"{result.score}/{result.points}"
            table.add_row(sign(result.state).text(), task, points, message)
        notes = map(Text, self.notes)
        return Group(table, Text(self._total(), style="bold"), *notes) if self.results else Group(*notes)

    def __repr__(self) -> str:
        lines = [self.title] if self.results else []
        for result in self.results:
            task, points = f"{result.task} {result.name}", f"{result.score}/{result.points}"
            lines.append(f"{sign(result.state).mark} {task}  {points}  {_result_text(result)}")
            lines += [f"    {label}: {text}" for label, text in self._advice(result)]
        return "\n".join([*lines, *([self._total()] if self.results else []), *self.notes])

    def _repr_html_(self) -> str:
        notes = "".join(f"<div>{_html(note)}</div>" for note in self.notes)
        if not self.results:
            return f'<div class="odev-report">{notes}</div>'
        rows = []
        for result in self.results:
            state = sign(result.state)
            advice = "".join(
                f"<div><b>{label}:</b> {_html(text)}</div>" for label, text in self._advice(result)
            )
            rows.append(
                f'<tr><td style="color:{state.color};font-weight:bold">{state.mark}</td>'
                f'<td style="text-align:left">{escape(result.task)} <code>{escape(result.name)}</code></td>'
                f"<td>{result.score}/{result.points}</td>"
                f'<td style="text-align:left">{_html(_result_text(result))}{advice}</td></tr>'
            )
        return (
            f'<div class="odev-report"><b>{escape(self.title)}</b><table><thead><tr><th></th>'
            f"{_LEFT}görev</th><th>puan</th>{_LEFT}sonuç</th></tr></thead><tbody>{''.join(rows)}</tbody></table>"
            f"<b>{escape(self._total())}</b>{notes}</div>"
        )

    def _advice(self, result: TaskResult) -> list[tuple[str, str]]:
        """What to do next, with its label: the hints, the way to the second one, the notes."""
        advice = [("İpucu", result.hint)] if result.hint else []
        again = f'check("{result.task}", ipucu=2)'
        if self.hints > 1 and not result.passed:
            label = "İkinci ipucu" if result.hint else "İpucu"  # a crash keeps its test's hints for this step
            advice.append((label, result.more or "Bu testin ikinci ipucu yok."))
        elif result.more and result.hint:
            advice.append(("Yetmezse", f"`{again}`"))
        elif result.more:
            advice.append(("Hatayı bulamazsan", f"`{again}`"))
        return [*advice, *(("Not", note) for note in result.notes)]

    def _total(self) -> str:
        praise = " Eline sağlık!" if self.passed else ""
        prefix = "Toplam " if len(self.results) > 1 else ""  # one task's points are not the lesson's total
        return f"{prefix}{self.score}/{self.points} puan.{praise}"


def _result_text(result: TaskResult) -> str:
    if result.passed:
        return "geçti"
    message = result.message if result.crash is None else _crash_text(result.crash)
    if not result.passed_tests:
        return message
    return f"{message} ({result.tests} testten {result.passed_tests} tanesi geçti)"


def _crash_text(crash: Crash) -> str:
    error, _, message = crash.error.partition(": ")
    where = f"{crash.call} çağrılınca kodun çöktü" if crash.call else "hücren çalışırken çöktü"
    return f"{where}: `{crash.line}` satırı {error} verdi{': ' if message else ''}{message}"


def _html(text: str) -> str:
    """With `code` as code."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(text))


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
