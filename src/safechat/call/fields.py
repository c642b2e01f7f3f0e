"""Reads fields of what came: of a dict of JSON, or of an object that a client made of one.

Not here: what an answer's fields mean (reply.py), what those of an error mean (error_body.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from pydantic import BaseModel


def field(value: object, name: str) -> object:
    """`name` of a dict or of an object; None where there is none."""
    if isinstance(value, (dict, Mapping)):  # dict first: to ask an abstract class takes longer
        return value.get(name)
    return getattr(value, name, None)


def text_of(value: object) -> str | None:
    """`value` as a text, if it is a text or a whole number; True and False are none."""
    return str(value) if isinstance(value, str | int) and not isinstance(value, bool) else None


def items_of(value: object) -> Iterable[tuple[str, object]]:
    """The fields of a dict or of an object, private ones and a model's unset ones left out."""
    if isinstance(value, (dict, Mapping)):
        return value.items()
    fields: Mapping[str, object] = getattr(value, "__dict__", {})
    if isinstance(value, BaseModel):
        fields = {name: fields.get(name) for name in value.model_fields_set} | (value.model_extra or {})
    return [(name, item) for name, item in fields.items() if not name.startswith("_")]


def plain(value: object) -> object:
    """`value` as JSON has it: dicts, lists, texts, numbers. An object becomes the dict of its fields."""
    if value is None or isinstance(value, str | int | float):
        return value
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, Mapping) or hasattr(value, "__dict__"):
        return {str(name): plain(item) for name, item in items_of(value)}
    return str(value)
