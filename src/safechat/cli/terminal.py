"""Text for a terminal: control characters are shown, not obeyed, and what it has no character for is ASCII.

What the API answers and what stands in a log may hold any character. Not here: the screens (screens.py).
"""

from __future__ import annotations

import codecs
import os
import re
from io import TextIOWrapper
from typing import TextIO
from unicodedata import normalize

# Control characters; line and paragraph separators; characters that reverse the direction of text;
# halves of surrogate pairs, which cannot be printed.
_NOT_SHOWN = r"\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff"
_ANY = re.compile(f"[{_NOT_SHOWN}]")
_ANY_BUT_LINES = re.compile(rf"(?!\r?\n|\t)[{_NOT_SHOWN}]")

# What the screens draw with, in ASCII, character for character. Letters become those without marks.
_IN_ASCII = dict(zip("→…–×ıß▁▂▃▄▅▆▇█", ">.-xis.:-=+*#@", strict=True))


def read_and_write_any_text(stdin: TextIOWrapper, *outputs: TextIOWrapper) -> None:
    """From now on nothing that is printed fails for its characters: ASCII stands for those that are lacking.

    In a file or a pipe text is UTF-8 on every system. A terminal keeps its encoding, and PYTHONIOENCODING is
    obeyed.
    """
    codecs.register_error("in_ascii", _in_ascii)
    stdin.reconfigure(encoding=_encoding(stdin))
    for stream in outputs:
        stream.reconfigure(encoding=_encoding(stream), errors="in_ascii")


def _encoding(stream: TextIOWrapper) -> str:
    return stream.encoding if stream.isatty() or "PYTHONIOENCODING" in os.environ else "utf-8"


def _in_ascii(error: UnicodeError) -> tuple[str | bytes, int]:
    """The first character that the encoding lacks."""
    assert isinstance(error, UnicodeEncodeError)
    character = error.object[error.start]
    error.end = error.start + 1
    similar = _IN_ASCII.get(character) or normalize("NFKD", character).encode("ascii", "ignore").decode()
    return (similar, error.end) if similar else codecs.backslashreplace_errors(error)


def is_utf_8(stream: TextIO) -> bool:
    """Whether it can take every character."""
    return codecs.lookup(stream.encoding).name == "utf-8"


def visible(text: str, *, lines: bool = False) -> str:
    r"""`text` with \u001b in place of an escape character, and so on. With `lines`, line breaks and tabs
    stay. Valid JSON stays JSON of the same value."""
    return (_ANY_BUT_LINES if lines else _ANY).sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def for_stream(text: str, stream: TextIO) -> str:
    """`text` as it is, unless `stream` is a terminal."""
    return visible(text, lines=True) if stream.isatty() else text
