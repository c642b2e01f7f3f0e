"""RotatingFile: a file that whole lines are appended to, and that is rotated when it is full.

Several processes may write to one file. Not here: the thread that writes (queue.py), how a line
reads (format.py), a log to stdout (stream.py).
"""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

# Seconds after which the lock of a process that is rotating the file is taken for that of a dead one.
STALE_LOCK = 10.0
# Without this flag Windows would write \r\n.
_BINARY = getattr(os, "O_BINARY", 0)


class RotatingFile:
    """Appends lines. At `max_bytes` the file becomes `path.1`, that `path.2`, up to `backups`.

    Where either is 0, and for a device such as /dev/stdout, it is never rotated. `mode` are the permissions
    of a new file.
    """

    def __init__(self, path: Path, *, max_bytes: int, backups: int, mode: int) -> None:
        self.path = path
        self._max_bytes = max_bytes if backups and not path.is_relative_to("/dev") else 0
        self._backups = backups
        self._mode = mode
        self._descriptor: int | None = None

    def __str__(self) -> str:
        return str(self.path)

    def append(self, lines: Sequence[bytes]) -> None:
        """Append whole lines, in one write if the file has room for all of them. Raises OSError."""
        size = self._size()
        fitting: list[bytes] = []
        for line in lines:
            if self._max_bytes and size and size + len(line) > self._max_bytes:
                self._write(fitting)
                fitting = []
                self._rotate()
                size = self._size()
            fitting.append(line)
            size += len(line)
        self._write(fitting)

    def close(self) -> None:
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            with suppress(OSError):
                os.close(descriptor)

    def _write(self, lines: Sequence[bytes]) -> None:
        if not lines:
            return
        if self._descriptor is None:
            self._descriptor = self._open()
        os.write(self._descriptor, b"".join(lines))

    def _open(self) -> int:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        flags = os.O_APPEND | os.O_WRONLY | os.O_CREAT | _BINARY
        try:
            descriptor = os.open(self.path, flags | os.O_EXCL, self._mode)
        except FileExistsError:  # its permissions are the operator's
            return os.open(self.path, flags, self._mode)
        if hasattr(os, "fchmod"):
            os.fchmod(descriptor, self._mode)  # the umask may have taken some permissions away
        return descriptor

    def _size(self) -> int:
        """The size of the file at the path. If another process has put a new one there, ours is closed."""
        try:
            status = os.stat(self.path)
        except FileNotFoundError:
            self.close()
            return 0
        if self._descriptor is not None and os.fstat(self._descriptor).st_ino != status.st_ino:
            self.close()
        return status.st_size if stat.S_ISREG(status.st_mode) else 0

    def _rotate(self) -> None:
        """Rename the files. One process does it; the others find the new file at their next write."""
        lock = f"{self.path}.lock"
        with suppress(FileNotFoundError):
            if time.time() - os.stat(lock).st_mtime > STALE_LOCK:
                os.unlink(lock)
        try:
            os.close(os.open(lock, os.O_CREAT | os.O_EXCL))
        except FileExistsError:
            return
        try:
            self.close()
            for number in range(self._backups - 1, 0, -1):
                with suppress(FileNotFoundError):
                    os.replace(f"{self.path}.{number}", f"{self.path}.{number + 1}")
            with suppress(FileNotFoundError):
                os.replace(self.path, f"{self.path}.1")
        finally:
            os.unlink(lock)
