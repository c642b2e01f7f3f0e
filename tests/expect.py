"""What a step's test says when it fails: the call, what came of it, and what was expected.

It compares the types too, because an object of somebody's own may call itself equal to anything.
"""

from __future__ import annotations

import traceback
from itertools import takewhile

_CRASHES = (TypeError, AttributeError, NameError, LookupError)  # what a slip of the pen raises
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


def pass_on_crash(error: BaseException) -> None:
    """Raise the error again where it is no answer: the stub's, or a crash of the answer's own line.

    For a test that looks at the errors which an answer raises, so that a crash is reported as one. What a
    test itself has raised, for the answer to handle, is no crash.
    """
    if isinstance(error, NotImplementedError):
        raise error
    *_, (frame, _) = traceback.walk_tb(error.__traceback__)
    module = frame.f_globals.get("__name__", "").rpartition(".")[2]
    if isinstance(error, _CRASHES) and not module.startswith("test_"):
        raise error


def _difference(came: object, expected: object) -> str:
    """Both as Python writes them, with the type where only that is another one."""
    one, other = repr(came), repr(expected)
    if str(came) == str(expected):
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
