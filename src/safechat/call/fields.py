"""Reads fields of what came: of a dict of JSON, or of an object that a client made of one.

Not here: what an answer's fields mean (reply.py), what those of an error mean (error_body.py).
"""

from __future__ import annotations

from collections.abc import Mapping


def field(value: object, name: str) -> object:
    """`name` of a dict or of an object; None where there is none."""
    if isinstance(value, Mapping):
        return value.get(name)
    return getattr(value, name, None)


def text_of(value: object) -> str | None:
    """`value` if it is a text or a number."""
    return str(value) if isinstance(value, str | int) and not isinstance(value, bool) else None
