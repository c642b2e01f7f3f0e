"""RotatingFile: a file that whole lines are appended to, and that is rotated when it is full.

Several processes may write to one file: each holds the file's lock (lock.py) while it writes or rotates.
Not here: the thread that writes (queue.py), how a line reads (format.py), a log to stdout (stream.py).
"""

from __future__ import annotations

import errno
import os
import stat
from collections import deque
from contextlib import suppress
from pathlib import Path

from safechat.log.complaint import complain
from safechat.log.lock import lock, unlock
from safechat.redact import redact
from safechat.runtime.files import open_shared, set_permissions

# Seconds to wait for another process that writes to the file. After that, lines are written without the
# lock, and the file is not rotated.
PATIENCE = 2.0
# Times in a row that another process may rotate the file first. Then it is written to nevertheless.
_MOST_RACES = 100


class RotatingFile:
    """Appends lines. At `max_bytes` the file becomes `path.1`, that `path.2`, up to `backups`.

    Where either is 0, and for a device such as /dev/stdout, it is never rotated. `mode` are the permissions
    of a new file. While a rotation fails, the file grows, and stderr says so once.
    """

    def __init__(self, path: Path, *, max_bytes: int, backups: int, mode: int) -> None:
        self.path = path
        self._max_bytes = max_bytes if backups and not path.is_relative_to("/dev") else 0
        self._backups = backups
        self._mode = mode
        self._descriptor: int | None = None
        self._torn = False
        self._complained = False

    def __str__(self) -> str:
        return str(self.path)

    def append(self, lines: deque[bytes]) -> None:
        """Append whole lines, and take those that are written out of `lines`. Raises OSError."""
        races = 0
        while lines:
            if self._descriptor is None:
                self._descriptor = self._open()
            descriptor = self._descriptor
            is_locked = lock(descriptor, patience=PATIENCE)
            try:
                current = self._is_at_the_path() or races == _MOST_RACES
                full = current and self._append_to_this_file(lines, is_locked)
            finally:
                if is_locked and self._descriptor == descriptor:
                    unlock(descriptor)
            races = 0 if current else races + 1
            if full or not current:  # rotated, by this process or by another
                self.close()

    def close(self) -> None:
        descriptor, self._descriptor = self._descriptor, None
        self._torn = False
        if descriptor is not None:
            with suppress(OSError):
                os.close(descriptor)

    def _append_to_this_file(self, lines: deque[bytes], is_locked: bool) -> bool:
        """Append as many lines as the file has room for. Where it has none for the first, rotate it, and
        return True."""
        assert self._descriptor is not None
        size = _size(self._descriptor)
        count = self._fitting(lines, size) if is_locked else len(lines)
        if not count and self._rotate():
            return True
        self._write(lines, count or len(lines), size if is_locked else None)
        return False

    def _fitting(self, lines: deque[bytes], size: int) -> int:
        """The number of lines that the file has room for. A line longer than a file has one to itself."""
        if not self._max_bytes:
            return len(lines)
        for number, line in enumerate(lines):
            if size and size + len(line) > self._max_bytes:
                return number
            size += len(line)
        return len(lines)

    def _write(self, lines: deque[bytes], count: int, size: int | None) -> None:
        """Write the first `count` lines. What a write leaves of a line that has no room is cut off again,
        if `size` is that of the file, whose lock is held."""
        assert self._descriptor is not None
        start = b"\n" if self._torn else b""
        data = start + b"".join(line for line, _ in zip(lines, range(count), strict=False))
        written = 0
        try:
            while written < len(data):
                written += os.write(self._descriptor, data[written:])
        finally:
            whole = len(start) if written else 0
            while lines and count and whole + len(lines[0]) <= written:
                whole += len(lines.popleft())
                count -= 1
            self._torn = written > whole if written else self._torn
            if self._torn and size is not None:
                with suppress(OSError):  # a pipe; then the next line begins with a line break
                    os.ftruncate(self._descriptor, size + whole)
                    self._torn = False

    def _open(self) -> int:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        flags = os.O_APPEND | os.O_WRONLY | os.O_CREAT
        try:
            descriptor = open_shared(self.path, flags | os.O_EXCL, self._mode)
        except FileExistsError:  # its permissions are the operator's
            return open_shared(self.path, flags, self._mode)
        set_permissions(descriptor, self._mode)  # the umask may have taken some of them away
        return descriptor

    def _is_at_the_path(self) -> bool:
        """Whether the open file is still the one at the path."""
        assert self._descriptor is not None
        try:
            return os.stat(self.path).st_ino == os.fstat(self._descriptor).st_ino
        except FileNotFoundError:
            return False

    def _rotate(self) -> bool:
        """Rename the files. False where that fails; then all of them are still there."""
        try:
            self._rename_backups()
            os.replace(self.path, f"{self.path}.1")
        except OSError as error:
            if not self._complained:
                self._complained = True
                complain(redact(f"cannot rotate the log {self.path}: {error}; it goes on growing"))
            return False
        self._complained = False
        return True

    def _rename_backups(self) -> None:
        """Make room for a new `path.1`. Only the backups before a gap move: so a rotation that fails half-way
        again and again pushes none of them out."""
        backups = [f"{self.path}.{number}" for number in range(1, self._backups + 1)]
        for backup in backups:
            if os.path.isdir(backup):
                raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), backup)
        there = next((number for number, name in enumerate(backups) if not os.path.lexists(name)), None)
        last = self._backups - 1 if there is None else there
        for number in range(last, 0, -1):
            os.replace(backups[number - 1], backups[number])


def _size(descriptor: int) -> int:
    status = os.fstat(descriptor)
    return status.st_size if stat.S_ISREG(status.st_mode) else 0
