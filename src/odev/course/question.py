"""One question to a student's function: the call as it is written, and whether what came is right (Turkish).

Notebooks print the sentence (classroom/trial.py), tests fail with it (grading/asks.py).
Not here: asking.
"""

from __future__ import annotations

import inspect
import reprlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

ANYTHING = object()  # the `expected` of a question without a right answer
_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = 60
_SHORT.maxdict = _SHORT.maxtuple = _SHORT.maxlist = 6


@dataclass(frozen=True, slots=True)
class Question:
    """`expected` is the value of the right answer, `raises` the error that the right answer raises; `view`
    makes of the value what is shown and compared."""

    call: str
    expected: object = ANYTHING
    raises: type[BaseException] | None = None
    view: Callable[..., object] | None = None

    def about_value(self, value: object) -> tuple[bool, str]:
        """Whether the value is right, and the sentence."""
        try:
            value = self.view(value) if self.view is not None else value
        except Exception as error:  # not what the view reads
            return False, self.sentence(f"{shown(value)} ({type(error).__name__}: {error})")
        is_equal = type(value) is type(self.expected) and value == self.expected
        is_right = self.raises is None and (is_equal or self.expected is ANYTHING)
        return is_right, self.sentence(shown(value), is_right=is_right)

    def about_error(self, error: BaseException, place: str = "") -> tuple[bool, str]:
        """The same for an error; `place` is where it was raised."""
        is_right = self.raises is not None and isinstance(error, self.raises)
        name = type(error).__name__
        if self.raises is None and self.expected is not ANYTHING:
            return False, self.sentence(f"{name} fırlattı: {error}{place}")
        came = f"{name}: {error}"
        return is_right, self.sentence(came if is_right else came + place, is_right=is_right)

    def sentence(self, came: str, *, is_right: bool = False) -> str:
        """`call → what came; beklenen: …`"""
        if is_right or (self.raises is None and self.expected is ANYTHING):
            return f"{self.call} → {came}"
        if self.raises is not None:
            return f"{self.call} → {came}; {self.raises.__name__} fırlatılmalıydı"
        return f"{self.call} → {came}; beklenen: {shown(self.expected)}"


def call_text(
    function: Callable[..., object], arguments: Sequence[object], named: Mapping[str, object]
) -> str:
    """The call as it is written, with long values shortened: `classify(429, code='insufficient_quota')`."""
    words = [*map(shown, arguments), *(f"{name}={shown(value)}" for name, value in named.items())]
    return f"{getattr(function, '__name__', shown(function))}({', '.join(words)})"


def shown(value: object) -> str:
    """A class and a function by their names, anything else by its repr, shortened."""
    if isinstance(value, type) or inspect.isroutine(value):
        return value.__name__
    return _SHORT.repr(value)
