"""Stream: a log to stdout or stderr, as containers want it. Not here: a log to a file (rotation.py)."""

from __future__ import annotations

import errno
import os
from collections import deque
from typing import BinaryIO, TextIO


class Stream:
    """Appends lines to an open stream, which stays open."""

    path = None

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._torn = False

    def __str__(self) -> str:
        return f"to {getattr(self._stream, 'name', 'a stream')}"

    def append(self, lines: deque[bytes]) -> None:
        """Write whole lines as UTF-8, whatever the encoding of the stream, and take them out of `lines`.

        Raises OSError or ValueError.
        """
        self._stream.flush()  # what print has left in the buffer
        buffer = getattr(self._stream, "buffer", None)
        while lines:
            if buffer is None:  # such as io.StringIO
                self._stream.write(lines[0].decode())
            else:
                self._write(getattr(buffer, "raw", buffer), lines[0])
            lines.popleft()
        self._stream.flush()

    def _write(self, raw: BinaryIO, line: bytes) -> None:
        """Write past the buffer, which the child of a fork would write a second time."""
        rest = b"\n" + line if self._torn else line
        while rest:
            written = raw.write(rest)
            self._torn = True
            if written is None:  # a pipe that does not block, and is full
                raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
            rest = rest[written:]
        self._torn = False

    def close(self) -> None:
        """The stream belongs to the program."""
