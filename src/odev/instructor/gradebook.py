"""The table of a whole class, for a terminal, in Turkish.

Not here: the table of one student (student/report.py).
"""

from __future__ import annotations

from collections.abc import Sequence

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from odev.grading.result import State
from odev.grading.signs import sign
from odev.instructor.grade import Graded

_ORDINARY = {State.PASSED, State.FAILED, State.UNWRITTEN, State.MISSING}


def gradebook(all_graded: Sequence[Graded]) -> RenderableType:
    """A line for each submission, and below the lines what an instructor should look at."""
    table = Table(box=box.SIMPLE_HEAD)
    table.add_column("teslim")
    for result in all_graded[0].results if all_graded else ():
        table.add_column(result.task, justify="center")
    table.add_column("puan", justify="right", no_wrap=True)
    remarks: list[Text] = []
    for graded in all_graded:
        signs = [sign(result.state).text() for result in graded.results]
        table.add_row(Text(graded.name), *signs, f"{graded.score}/{graded.points}")
        remarks += [Text(f"{graded.name}: {warning}") for warning in graded.warnings]
        remarks += [
            Text(f"{graded.name}, {result.task}: {result.message}")
            for result in graded.results
            if result.state not in _ORDINARY
        ]
    return Group(table, *remarks)
