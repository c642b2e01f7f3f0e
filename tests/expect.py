"""What a step's test says when it fails: the call, what came of it, and what was expected.

It compares the types too, because an object of somebody's own may call itself equal to anything.
"""

from __future__ import annotations


def expect(call: str, came: object, expected: object) -> None:
    assert is_exactly(came, expected), f"{call} → {came!r}; beklenen: {expected!r}"


def is_exactly(came: object, expected: object) -> bool:
    """Whether both are of one type and equal, and so is what they hold."""
    if type(came) is not type(expected):
        return False
    if isinstance(came, dict) and isinstance(expected, dict):
        return list(came) == list(expected) and is_exactly(list(came.values()), list(expected.values()))
    if isinstance(came, list | tuple) and isinstance(expected, list | tuple):
        return len(came) == len(expected) and all(map(is_exactly, came, expected))
    return came == expected
