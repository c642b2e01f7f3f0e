"""Models whose shutdown OpenAI has announced, and what it recommends in their place.

It serves the words of errors and of `safechat models`. No request is refused or changed because of it, and
where an API gives a `shutdown_date` in its list of models, that date counts. Not here: the models that are
configured (cli/models.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date


@dataclass(frozen=True, slots=True)
class Shutdown:
    """The day of a shutdown, and OpenAI's replacement; None where it is not known."""

    day: date
    replacement: str | None = None


# Source: https://developers.openai.com/api/docs/deprecations, read on 2026-11-25, as far as the stored copy
# goes: it breaks off before the replacement of gpt-5-nano.
SHUTDOWNS = {
    "gpt-5": Shutdown(date(2026, 12, 11), "gpt-6.1-sol"),
    "gpt-5-2025-08-07": Shutdown(date(2026, 12, 11), "gpt-6.1-sol"),
    "gpt-5-mini": Shutdown(date(2026, 12, 11), "gpt-6.1-terra"),
    "gpt-5-mini-2025-08-07": Shutdown(date(2026, 12, 11), "gpt-6.1-terra"),
    "gpt-5-nano": Shutdown(date(2026, 12, 11)),
    "gpt-5-nano-2025-08-07": Shutdown(date(2026, 12, 11)),
}


def replacement(model: str) -> str | None:
    """What OpenAI recommends in place of `model`; None where it recommends nothing that is known here."""
    known = SHUTDOWNS.get(model)
    return known.replacement if known else None


def notice(model: str, today: date) -> str:
    """What is known here of the model's end: one sentence without its full stop; empty if nothing is."""
    known = SHUTDOWNS.get(model)
    return shutdown_words(model, known.day, today) if known else ""


def shutdown_words(model: str, day: date, today: date) -> str:
    """'gpt-5-mini was shut down on 2026-12-11; OpenAI recommends gpt-6.1-terra'."""
    words = f"{model} {'was' if day <= today else 'will be'} shut down on {day}"
    other = replacement(model)
    return f"{words}; OpenAI recommends {other}" if other else words


def shutdown_day(value: object) -> date | None:
    """The `shutdown_date` of a list of models, a text such as '2026-12-11'; None if it is no date."""
    try:
        return date.fromisoformat(value[:10]) if isinstance(value, str) else None
    except ValueError:
        return None
