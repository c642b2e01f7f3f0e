"""Text for a terminal: control characters are shown, not obeyed.

What the API answers and what stands in a log may hold any character. Not here: the screens (screens.py).
"""

from __future__ import annotations

import re
from typing import TextIO

# Control characters; line and paragraph separators; characters that reverse the direction of text;
# halves of surrogate pairs, which cannot be printed.
_NOT_SHOWN = r"\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff"
_ANY = re.compile(f"[{_NOT_SHOWN}]")
_ANY_BUT_LINES = re.compile(rf"(?!\r?\n|\t)[{_NOT_SHOWN}]")


def visible(text: str, *, lines: bool = False) -> str:
    r"""`text` with \u001b in place of an escape character, and so on. With `lines`, line breaks and tabs
    stay. Valid JSON stays JSON of the same value."""
    return (_ANY_BUT_LINES if lines else _ANY).sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def for_stream(text: str, stream: TextIO) -> str:
    """`text` as it is, unless `stream` is a terminal."""
    return visible(text, lines=True) if stream.isatty() else text
