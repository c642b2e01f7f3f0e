"""The sign that stands for a task's state in every table. Not here: the tables."""

from __future__ import annotations

from dataclasses import dataclass

from rich.text import Text

from odev.grading.result import State


@dataclass(frozen=True, slots=True)
class Sign:
    """A mark with its colour: rich's name for a terminal, a hexadecimal one for HTML."""

    mark: str
    style: str
    color: str

    def text(self) -> Text:
        return Text(self.mark, style=self.style)


_OPEN = Sign("?", "yellow", "#b26a00")  # nothing is known of the answer
_SIGNS = {
    State.PASSED: Sign("✓", "green", "#2e7d32"),
    State.UNWRITTEN: Sign("○", "yellow", "#b26a00"),
    State.BUSY: _OPEN,
    State.UNJUDGED: _OPEN,
}
_FAILED = Sign("✗", "red", "#c62828")


def sign(state: State) -> Sign:
    return _SIGNS.get(state, _FAILED)
