"""For the steps' tests: asks a student's function, and fails with the call, what came and what is expected.

    ask(text_of, 429, expected="429")
    error = ask(read_reply, b"<html>", request, raises=MalformedReply)

The same words as a lesson's `trial`. An error that is none of the package's goes on as
it is: then the code has crashed, and the report says so. Not here: the sentences
(course/question.py), the report (student/report.py).
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from odev.course.question import ANYTHING, Question, call_text


def ask(
    function: Callable[..., object],
    *arguments: object,
    expected: object = ANYTHING,
    raises: type[BaseException] | None = None,
    view: Callable[..., object] | None = None,
    label: str = "",
    **named: object,
) -> Any:
    """What the function returned, or the error that it raised as expected; AssertionError for anything else.

    A value must be equal to `expected` and of the same type. `view` makes of the value what is compared;
    `label` stands in place of the call.
    """
    __tracebackhide__ = True
    question = Question(label or call_text(function, arguments, named), expected, raises, view)
    try:
        value = function(*arguments, **named)
    except Exception as error:
        return _judged_error(question, error)
    return _judged_value(question, value)


async def ask_async(
    function: Callable[..., object],
    *arguments: object,
    expected: object = ANYTHING,
    raises: type[BaseException] | None = None,
    view: Callable[..., object] | None = None,
    label: str = "",
    **named: object,
) -> Any:
    """The same for an `async def`."""
    __tracebackhide__ = True
    question = Question(label or call_text(function, arguments, named), expected, raises, view)
    try:
        value = function(*arguments, **named)
        value = await value if inspect.isawaitable(value) else value
    except Exception as error:
        return _judged_error(question, error)
    return _judged_value(question, value)


def _judged_value(question: Question, value: object) -> object:
    __tracebackhide__ = True
    is_right, sentence = question.about_value(value)
    assert is_right, sentence
    return value


def _judged_error(question: Question, error: Exception) -> Exception:
    __tracebackhide__ = True
    is_right, sentence = question.about_error(error)
    if is_right:
        return error
    if not type(error).__module__.startswith("safechat."):
        raise error
    raise AssertionError(sentence) from error
