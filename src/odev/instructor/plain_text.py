"""Texts that students wrote (names of files and of themselves, messages), made harmless for a terminal, a
spreadsheet and a file system.

Not here: HTML (feedback.py escapes it).
"""

from __future__ import annotations

import os
import re
import unicodedata

from odev.course.files import file_name

_LONGEST_NAME = 200  # bytes of a file name, of 255: an ending comes behind it
_NOT_IN_FILE_NAMES = re.compile(r'[<>:"/\\|?*]')
_FORMULA = re.compile(r"\s*[=+\-@＝＋－＠]")
_LONGEST_CELL = 2_000  # characters; a spreadsheet takes 32,767


def plain(text: str) -> str:
    """The text on one line, without control characters, as valid Unicode: a file name from another system
    may be in another encoding."""
    text = os.fsencode(text).decode("utf-8", "replace") if _has_surrogates(text) else text
    text = " ".join(unicodedata.normalize("NFC", text).split())
    return "".join("\N{REPLACEMENT CHARACTER}" if _is_control(letter) else letter for letter in text)


def safe_file_name(text: str) -> str:
    """A name that every file system takes, as Python wants it for a path."""
    return file_name(harmless_name(text))


def harmless_name(text: str) -> str:
    """The same as plain text, for the name of a file in a zip."""
    name = _NOT_IN_FILE_NAMES.sub("-", plain(text)).strip(". ")
    return name.encode()[:_LONGEST_NAME].decode(errors="ignore").rstrip(". ") or "-"


def spreadsheet_cell(text: str) -> str:
    """The text, with a quote before one that a spreadsheet would calculate as a formula."""
    text = plain(text)[:_LONGEST_CELL]
    return f"'{text}" if _FORMULA.match(text) else text


def _has_surrogates(text: str) -> bool:
    return any("\ud800" <= letter <= "\udfff" for letter in text)


def _is_control(letter: str) -> bool:
    """Also the marks that reverse the direction of what follows."""
    return unicodedata.category(letter) in ("Cc", "Cf", "Cs", "Co", "Cn") and letter not in "\u200c\u200d"
