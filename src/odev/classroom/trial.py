"""Tries a function in a notebook: what came beside what is expected, one line for each call (Turkish).

    trial(classify, 429, code="insufficient_quota", expected=QuotaExhausted)
    trial(read_reply, b"<html>", request, raises=MalformedReply)
    await trial_async(attempt, request, send, read_reply, translate, raises=RequestTimedOut)

Nothing is raised, so that *Run All* goes on: an error is shown with its message and the
line that raised it. Not here: the sentences (course/question.py), the tests that give
points (grading/).
"""

from __future__ import annotations

import inspect
import linecache
import traceback
from collections.abc import Callable

from odev.course.question import ANYTHING, Question, call_text


def trial(
    function: Callable[..., object],
    *arguments: object,
    expected: object = ANYTHING,
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
    question = Question(label or call_text(function, arguments, named), expected, raises, view)
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
    expected: object = ANYTHING,
    raises: type[BaseException] | None = None,
    view: Callable[..., object] | None = None,
    label: str = "",
    **named: object,
) -> None:
    """The same for an `async def`: `await trial_async(…)`."""
    question = Question(label or call_text(function, arguments, named), expected, raises, view)
    try:
        value = function(*arguments, **named)
        if not inspect.isawaitable(value):
            why = "`await` edilemedi, çünkü fonksiyon `async def` ile tanımlanmamış"
            print(f"✗ {question.sentence(why)}")
            return
        value = await value
    except Exception as error:
        _print_error(question, error)
        return
    _print_value(question, value)


def _print_value(question: Question, value: object) -> None:
    is_right, sentence = question.about_value(value)
    has_answer = question.raises is not None or question.expected is not ANYTHING
    print(f"{('✓' if is_right else '✗') if has_answer else ' '} {sentence}")


def _print_error(question: Question, error: Exception) -> None:
    if isinstance(error, NotImplementedError) and str(error).startswith("ÖDEV"):
        print(f"✗ {question.sentence('henüz yazılmadı')}")
        return
    is_right, sentence = question.about_error(error, _place(error))
    print(f"{'✓' if is_right else '✗'} {sentence}")


def _place(error: Exception) -> str:
    """The cell's line that raised it (Turkish); the innermost of them."""
    cells = [frame for frame in traceback.extract_tb(error.__traceback__) if _is_cell(frame.filename)]
    if not cells:
        return ""
    line = (cells[-1].line or linecache.getline(cells[-1].filename, cells[-1].lineno or 0)).strip()
    return f" ({cells[-1].lineno}. satır: `{line}`)"


def _is_cell(filename: str) -> bool:
    """Whether IPython compiled it; a kernel names each cell's file after its own process."""
    return "ipykernel_" in filename or filename.startswith("<ipython")
