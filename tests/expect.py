"""What a step's test says when it fails: the call, what came of it, and what was expected.

It compares the types too, because an object of somebody's own may call itself equal to anything.
"""

from __future__ import annotations

from itertools import takewhile

_LONGEST = 110  # characters of a value: of a longer one, those where the two begin to differ


def expect(call: str, came: object, expected: object) -> None:
    assert is_exactly(came, expected), f"{call} → {_difference(came, expected)}"


def is_exactly(came: object, expected: object) -> bool:
    """Whether both are of one type and equal, and so is what they hold."""
    if type(came) is not type(expected):
        return False
    if isinstance(came, dict) and isinstance(expected, dict):
        return came.keys() == expected.keys() and all(is_exactly(came[key], expected[key]) for key in came)
    if isinstance(came, list | tuple) and isinstance(expected, list | tuple):
        return len(came) == len(expected) and all(map(is_exactly, came, expected))
    return came == expected


def _difference(came: object, expected: object) -> str:
    """Both as Python writes them, with the type where only that is another one."""
    one, other = repr(came), repr(expected)
    if one == other:
        one += f" ({type(came).__name__})"
    same = takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False))
    at = sum(1 for _ in same)
    return f"{_around(at, one)}; beklenen: {_around(at, other)}"


def _around(at: int, text: str) -> str:
    if len(text) <= _LONGEST:
        return text
    start = max(0, min(at - 30, len(text) - _LONGEST))
    end = start + _LONGEST
    return ("…" if start else "") + text[start:end] + ("…" if text[end:] else "")
