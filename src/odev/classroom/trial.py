"""Tries a function in a notebook: what came beside what is expected, one line for each call (Turkish).

    trial(classify, 429, code="insufficient_quota", expected=QuotaExhausted)
    trial(read_reply, b"<html>", request, raises=MalformedReply)
    await trial_async(attempt, request, send, read_reply, translate, raises=RequestTimedOut)

Nothing is raised, so that *Run All* goes on: an error is shown with its message and the
line that raised it. Not here: the tests that give points (grading/).
"""

from __future__ import annotations

import inspect
import linecache
import reprlib
import traceback
from collections.abc import Callable

_NOTHING = object()
_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = 60


def trial(
    function: Callable[..., object],
    *arguments: object,
    expected: object = _NOTHING,
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
    line = _Line(label or call_text(function, arguments, named), expected, raises, view)
    try:
        value = function(*arguments, **named)
    except Exception as error:
        line.print_error(error)
        return
    if inspect.iscoroutine(value):
        value.close()
        line.print(False, "`async def` ile tanımlanmış; bu fonksiyon düz bir `def` olmalı")
        return
    line.print_value(value)


async def trial_async(
    function: Callable[..., object],
    *arguments: object,
    expected: object = _NOTHING,
    raises: type[BaseException] | None = None,
    view: Callable[..., object] | None = None,
    label: str = "",
    **named: object,
) -> None:
    """The same for an `async def`: `await trial_async(…)`."""
    line = _Line(label or call_text(function, arguments, named), expected, raises, view)
    try:
        value = function(*arguments, **named)
        if not inspect.isawaitable(value):
            why = "`await` edilemez, çünkü fonksiyon `async def` ile tanımlanmamış"
            line.print(False, f"{_shown(value)}; {why}")
            return
        value = await value
    except Exception as error:
        line.print_error(error)
        return
    line.print_value(value)


def call_text(
    function: Callable[..., object], arguments: tuple[object, ...], named: dict[str, object]
) -> str:
    """The call as it is written, long values shortened: `classify(429, code='insufficient_quota')`."""
    words = [*map(_shown, arguments), *(f"{name}={_shown(value)}" for name, value in named.items())]
    return f"{getattr(function, '__name__', _shown(function))}({', '.join(words)})"


class _Line:
    def __init__(
        self,
        call: str,
        expected: object,
        raises: type[BaseException] | None,
        view: Callable[..., object] | None,
    ) -> None:
        self._call = call
        self._expected = expected
        self._raises = raises
        self._view = view

    def print_value(self, value: object) -> None:
        try:
            value = self._view(value) if self._view is not None else value
        except Exception as error:  # not what the view reads
            self.print(False, f"{_shown(value)} ({type(error).__name__}: {error})")
            return
        is_right = self._raises is None and type(value) is type(self._expected) and value == self._expected
        self.print(is_right, _shown(value))

    def print_error(self, error: Exception) -> None:
        if isinstance(error, NotImplementedError) and str(error).startswith("ÖDEV"):
            self.print(False, "henüz yazılmadı")
            return
        is_right = self._raises is not None and isinstance(error, self._raises)
        place = "" if is_right else _place(error)
        self.print(is_right, f"{type(error).__name__}: {error}{place}")

    def print(self, is_right: bool, came: str) -> None:
        if self._raises is not None:
            expected = f"{self._raises.__name__} fırlatılmalıydı"
        else:
            expected = f"beklenen: {_shown(self._expected)}"
        if self._raises is None and self._expected is _NOTHING:
            print(f"  {self._call} → {came}")
        elif is_right:
            print(f"✓ {self._call} → {came}")
        else:
            print(f"✗ {self._call} → {came}; {expected}")


def _shown(value: object) -> str:
    """A class and a function by their names, anything else by its repr, shortened."""
    if isinstance(value, type) or inspect.isroutine(value):
        return value.__name__
    return _SHORT.repr(value)


def _place(error: Exception) -> str:
    """The cell's line that raised it (Turkish); the innermost of them."""
    frames = traceback.extract_tb(error.__traceback__)
    cells = [frame for frame in frames if _is_cell(frame.filename)]
    if not cells:
        return ""
    line = (cells[-1].line or linecache.getline(cells[-1].filename, cells[-1].lineno or 0)).strip()
    return f" ({cells[-1].lineno}. satır: `{line}`)"


def _is_cell(filename: str) -> bool:
    """Whether IPython compiled it; a kernel names each cell's file after its own process."""
    return "ipykernel_" in filename or filename.startswith("<ipython")
