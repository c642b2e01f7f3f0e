"""Stream: a log to stdout or stderr, as containers want it. Not here: a log to a file (rotation.py)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TextIO


class Stream:
    """Appends lines to an open stream, which stays open."""

    path = None

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def __str__(self) -> str:
        return f"to {getattr(self._stream, 'name', 'a stream')}"

    def append(self, lines: Sequence[bytes]) -> None:
        """Append whole lines as UTF-8, whatever the encoding of the stream. Raises OSError or ValueError."""
        text = b"".join(lines)
        binary = getattr(self._stream, "buffer", None)
        if binary is None:  # such as io.StringIO
            self._stream.write(text.decode())
        else:
            self._stream.flush()  # what print has left in the buffer above
            binary.write(text)
        self._stream.flush()

    def close(self) -> None:
        """The stream belongs to the program."""
