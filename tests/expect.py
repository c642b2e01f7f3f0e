"""What a step's test says when it fails: the call, what came of it, and what was expected.

It compares the types too, because an object of somebody's own may call itself equal to anything.
"""

from __future__ import annotations


def expect(call: str, came: object, expected: object) -> None:
    assert is_exactly(came, expected), f"{call} → {_shown(came, expected)}; beklenen: {expected!r}"


def is_exactly(came: object, expected: object) -> bool:
    """Whether both are of one type and equal, and so is what they hold."""
    if type(came) is not type(expected):
        return False
    if isinstance(came, dict) and isinstance(expected, dict):
        return came.keys() == expected.keys() and all(is_exactly(came[key], expected[key]) for key in came)
    if isinstance(came, list | tuple) and isinstance(expected, list | tuple):
        return len(came) == len(expected) and all(map(is_exactly, came, expected))
    return came == expected


def _shown(came: object, expected: object) -> str:
    """Its repr, with its type where only that is another one."""
    return f"{came!r} ({type(came).__name__})" if repr(came) == repr(expected) else repr(came)
