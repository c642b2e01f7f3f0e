"""Tries a function in a notebook: what came beside what is expected, one line for each call (Turkish).

    trial(classify, 429, code="insufficient_quota", expected=QuotaExhausted)
    trial(read_reply, b"<html>", request, raises=MalformedReply)
    await trial_async(attempt, request, send, read_reply, translate, raises=RequestTimedOut)

Nothing is raised, so that *Run All* goes on: an error is shown with its message and the
line that raised it. Not here: the tests that give points (grading/).
"""

from __future__ import annotations

import asyncio
import inspect
import linecache
import re
import reprlib
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

_ANYTHING = object()  # the `expected` of a question without a right answer
_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = 60
_SHORT.maxdict = _SHORT.maxtuple = _SHORT.maxlist = 6


def trial(
    function: Callable[..., object],
    *arguments: object,
    expected: object = _ANYTHING,
    raises: type[BaseException] | None = None,
    view: Callable[..., object] | None = None,
    label: str = "",
    **named: object,
) -> None:
    """Call `function` and print a line: ✓ or ✗, the call, what came, and what is expected where it differs.

    `expected` is the value of the right answer, `raises` the error that it raises; with neither, the line has
    no mark. `view` makes of the value what is shown and compared (`view=lambda reply: reply.text`). `label`
    stands in place of the call.
    """
    question = _Question(label or _call_text(function, arguments, named), expected, raises, view)
    try:
        value = function(*arguments, **named)
    except Exception as error:
        _print_error(question, error)
        return
    if inspect.iscoroutine(value):
        value.close()
        why = "`async def` ile tanımlanmış; bu fonksiyon düz bir `def` olmalı"
        print(f"✗ {question.sentence(why)}")
        return
    _print_value(question, value)


async def trial_async(
    function: Callable[..., object],
    *arguments: object,
    expected: object = _ANYTHING,
    raises: type[BaseException] | None = None,
    view: Callable[..., object] | None = None,
    label: str = "",
    **named: object,
) -> None:
    """The same for an `async def`: `await trial_async(…)`."""
    question = _Question(label or _call_text(function, arguments, named), expected, raises, view)
    try:
        value = function(*arguments, **named)
        if not inspect.isawaitable(value):
            why = "`await` edilemedi, çünkü fonksiyon `async def` ile tanımlanmamış"
            print(f"✗ {question.sentence(why)}")
            return
        value = await value
    except asyncio.CancelledError as error:
        if raises is not asyncio.CancelledError:
            raise  # the cell itself is interrupted
        _print_error(question, error)
        return
    except Exception as error:
        _print_error(question, error)
        return
    _print_value(question, value)


def _print_value(question: _Question, value: object) -> None:
    is_right, sentence = question.about_value(value)
    has_answer = question.raises is not None or question.expected is not _ANYTHING
    print(f"{('✓' if is_right else '✗') if has_answer else ' '} {sentence}")


def _print_error(question: _Question, error: BaseException) -> None:
    if isinstance(error, NotImplementedError) and str(error).startswith("ÖDEV"):
        print(f"✗ {question.sentence('henüz yazılmadı')}")
        return
    is_right, sentence = question.about_error(error, _place(error))
    print(f"{'✓' if is_right else '✗'} {sentence}")


def _place(error: BaseException) -> str:
    """The cell's line that raised it (Turkish); the innermost of them."""
    cells = [frame for frame in traceback.extract_tb(error.__traceback__) if _is_cell(frame.filename)]
    if not cells:
        return ""
    line = (cells[-1].line or linecache.getline(cells[-1].filename, cells[-1].lineno or 0)).strip()
    return f" ({cells[-1].lineno}. satır: `{line}`)"


def _is_cell(filename: str) -> bool:
    """Whether IPython compiled it; a kernel names each cell's file after its own process."""
    return "ipykernel_" in filename or filename.startswith("<ipython")


@dataclass(frozen=True, slots=True)
class _Question:
    """`expected` is the value of the right answer, `raises` the error that the right answer raises; `view`
    makes of the value what is shown and compared."""

    call: str
    expected: object = _ANYTHING
    raises: type[BaseException] | None = None
    view: Callable[..., object] | None = None

    def about_value(self, value: object) -> tuple[bool, str]:
        """Whether the value is right, and the sentence."""
        try:
            value = self.view(value) if self.view is not None else value
        except Exception as error:  # not what the view reads
            return False, self.sentence(f"{_shown(value)} ({type(error).__name__}: {error})")
        is_equal = type(value) is type(self.expected) and value == self.expected
        is_right = self.raises is None and (is_equal or self.expected is _ANYTHING)
        return is_right, self.sentence(_shown(value), is_right=is_right)

    def about_error(self, error: BaseException, place: str = "") -> tuple[bool, str]:
        """The same for an error; `place` is where it was raised."""
        is_right = self.raises is not None and isinstance(error, self.raises) and not _is_wrong_call(error)
        name = type(error).__name__
        if self.raises is None and self.expected is not _ANYTHING:
            return False, self.sentence(f"{name} fırlattı: {error}{place}")
        came = f"{name}: {error}" if str(error) else name
        return is_right, self.sentence(came if is_right else came + place, is_right=is_right)

    def sentence(self, came: str, *, is_right: bool = False) -> str:
        """`call → what came; beklenen: …`"""
        if is_right or (self.raises is None and self.expected is _ANYTHING):
            return f"{self.call} → {came}"
        if self.raises is not None:
            return f"{self.call} → {came}; {self.raises.__name__} fırlatılmalıydı"
        return f"{self.call} → {came}; beklenen: {_shown(self.expected)}"


def _is_wrong_call(error: BaseException) -> bool:
    """Whether a function was called with the wrong arguments: never the awaited error."""
    return isinstance(error, TypeError) and bool(re.match(r"[\w.<>]+\(\) (missing|takes|got) ", str(error)))


def _call_text(
    function: Callable[..., object], arguments: Sequence[object], named: Mapping[str, object]
) -> str:
    """The call as it is written, with long values shortened: `classify(429, code='insufficient_quota')`."""
    words = [*map(_shown, arguments), *(f"{name}={_shown(value)}" for name, value in named.items())]
    return f"{getattr(function, '__name__', _shown(function))}({', '.join(words)})"


def _shown(value: object) -> str:
    """A class and a function by their names, anything else by its repr, shortened."""
    if isinstance(value, type) or inspect.isroutine(value):
        return value.__name__
    return _SHORT.repr(value)
