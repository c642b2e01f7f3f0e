"""RotatingFile: the file of a log, which whole lines are appended to, and which is rotated when it is full.

Several processes may write to one file. A disk that fails is reported once on stderr and harms no
call. Not here: the thread that writes (queue.py), how a line reads (format.py).
"""

from __future__ import annotations

import logging
import os
import time
from collections import deque
from contextlib import suppress
from pathlib import Path

from safechat.log.complaint import complain
from safechat.redact import redact

# Bytes in one write.
MOST_AT_ONCE = 65_536
# Seconds after which the lock of a process that is rotating the file is taken for that of a dead one.
STALE_LOCK = 10.0
# Without this flag Windows would write \r\n.
_BINARY = getattr(os, "O_BINARY", 0)


class RotatingFile:
    """Appends records as whole lines. At `max_bytes` it becomes `path.1`, that `path.2`, up to `backups`."""

    def __init__(self, path: Path, formatter: logging.Formatter, max_bytes: int, backups: int) -> None:
        self.path = path
        self._formatter = formatter
        self._max_bytes = max_bytes
        self._backups = backups
        self._descriptor: int | None = None
        self._complained = False

    def write(self, records: deque[logging.LogRecord]) -> None:
        """Write all `records`, and empty the queue. Many lines go in one write if the file has room."""
        waiting: list[bytes] = []
        size = 0
        try:
            while records:
                line = f"{self._formatter.format(records.popleft())}\n".encode("utf-8", "backslashreplace")
                if waiting and size + len(line) > MOST_AT_ONCE:
                    self._append(waiting)
                    waiting, size = [], 0
                waiting.append(line)
                size += len(line)
            self._append(waiting)
        except Exception as error:
            self.close()
            if not self._complained:
                self._complained = True
                complain(redact(f"cannot write the log {self.path}: {error}; calls go on without it"))

    def close(self) -> None:
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            with suppress(OSError):
                os.close(descriptor)

    def _append(self, lines: list[bytes]) -> None:
        size = self._size()
        fitting: list[bytes] = []
        for line in lines:
            if size + len(line) > self._max_bytes:
                self._write(fitting)
                fitting = []
                self._rotate()
                size = self._size()
            fitting.append(line)
            size += len(line)
        self._write(fitting)

    def _write(self, lines: list[bytes]) -> None:
        if not lines:
            return
        if self._descriptor is None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._descriptor = os.open(self.path, os.O_APPEND | os.O_CREAT | os.O_WRONLY | _BINARY, 0o600)
        os.write(self._descriptor, b"".join(lines))

    def _size(self) -> int:
        """The size of the file at the path. If another process has put a new one there, ours is closed."""
        try:
            status = os.stat(self.path)
        except FileNotFoundError:
            self.close()
            return 0
        if self._descriptor is not None and os.fstat(self._descriptor).st_ino != status.st_ino:
            self.close()
        return status.st_size

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
