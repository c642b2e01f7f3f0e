"""What the commands print, on a console that has fewer characters than UTF-8 (cp1254 on a Turkish Windows).

Not here: what is printed (__main__.py, student/report.py).
"""

from __future__ import annotations

import codecs
import sys
from unicodedata import normalize

# The signs of a report, character for character. Letters become those without marks.
_IN_ASCII = dict(zip("✓✗○→←…–×·ıß", "+xo><.-x.is", strict=True))


def print_any_text() -> None:
    """From now on nothing that is printed fails for its characters: ASCII stands for those that are lacking.

    The package has the same for its command (cli/terminal.py). A student's package may be broken, so
    nothing of it is used here.
    """
    codecs.register_error("odev_in_ascii", _in_ascii)
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="odev_in_ascii")  # type: ignore[union-attr]


def _in_ascii(error: UnicodeError) -> tuple[str | bytes, int]:
    """The first character that the encoding lacks. Of a path that is no text, the bytes as they are."""
    assert isinstance(error, UnicodeEncodeError)
    character = error.object[error.start]
    if "\udc80" <= character <= "\udcff":
        return codecs.lookup_error("surrogateescape")(error)
    error.end = error.start + 1
    similar = _IN_ASCII.get(character) or normalize("NFKD", character).encode("ascii", "ignore").decode()
    return (similar, error.end) if similar else codecs.backslashreplace_errors(error)
