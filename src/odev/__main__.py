"""`python -m odev`: the course's commands."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer
from rich.console import Console

app = typer.Typer(help="Kursun komutları.", no_args_is_help=True, add_completion=False)


class Language(StrEnum):
    tr = "tr"
    en = "en"


@app.callback()
def odev() -> None:
    """Kursun komutları: demo, …"""


@app.command()
def demo(
    lang: Annotated[Language, typer.Option(help="Tablonun dili / the table's language")] = Language.tr,
) -> None:
    """Bir dakikada asıl iş: güvensiz ve güvenli ask_question.py, aynı hatalarla, ölçülmüş."""
    from odev.demo import show

    show(Console(), lang.value)


if __name__ == "__main__":
    app(prog_name="python -m odev")
