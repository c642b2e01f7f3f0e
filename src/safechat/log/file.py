"""The file that records go to: lines without secrets, written in the background.

A call only puts its record into a queue. One thread formats, redacts and appends
whole lines at the end of the file, so two processes may share it. What
goes wrong with the disk is said once on stderr and harms no call. Not here: what
is logged (log.py), how a line reads (logformat.py).
"""

from __future__ import annotations

import copy
import logging
import os
import sys
import threading
import time
import weakref
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Self

from safechat.log.format import JsonLines, TextLines
from safechat.redact import redact
from safechat.runtime.process import begin_anew_after_fork, forget, stop_at_exit


def configure_logging(
    path: str | Path = "chat_api.log",
    level: int | str = "INFO",
    *,
    json: bool = True,
    content: bool = False,
    max_bytes: int = 10_000_000,
    backups: int = 5,
    loggers: Sequence[str] = ("safechat",),
) -> LogFile:
    """Write records to `path`, as lines of JSON (or of text), without any secret, in the background.

    Calls never wait for the disk, and never fail with it. At `max_bytes` the
    file becomes `path.1`, that `path.2`, and so on. `loggers` are those whose
    records are written; ("safechat", "openai", "httpx2", "hvac") adds what the
    libraries below say. Calling it again for the same loggers replaces the file.

    `content` adds prompts and answers to `chat.call`, cut, and with personal data
    masked as far as it has a shape. Mind the law.
    """
    return LogFile(
        path, level, as_json=json, content=content, max_bytes=max_bytes, backups=backups, loggers=loggers
    )


_MOST_QUEUED = 10_000  # records; further ones are dropped, and that is said
_BINARY = getattr(os, "O_BINARY", 0)  # Windows would write \r\n
_LOOK_EVERY = 0.05  # seconds
_MOST_AT_ONCE = 65_536  # bytes in one write
_STALE_LOCK = 10.0  # seconds after which a process that was rotating the file has died over it


class LogFile:
    """An open log. `close` writes what is queued and lets go of the loggers."""

    def __init__(
        self,
        path: str | Path,
        level: int | str,
        *,
        as_json: bool,
        content: bool,
        max_bytes: int,
        backups: int,
        loggers: Sequence[str],
    ) -> None:
        self.path = Path(path)
        self._loggers = [logging.getLogger(name) for name in loggers]
        formatter = JsonLines() if as_json else TextLines()
        self._queue = _Queue(_File(self.path, formatter, max_bytes, backups), content)
        for logger in self._loggers:
            for earlier in [each for each in logger.handlers if isinstance(each, _Queue)]:
                logger.removeHandler(earlier)
                earlier.stop()
            logger.addHandler(self._queue)
            logger.setLevel(level)

    def close(self) -> None:
        for logger in self._loggers:
            logger.removeHandler(self._queue)
        self._queue.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class _Queue(logging.Handler):
    """The caller's side, which keeps a record as it is at this moment and goes on; and the thread behind it.

    The thread looks every twentieth of a second, not at every record: to wake
    it costs a call more than all the rest of logging.
    """

    def __init__(self, file: _File, content: bool) -> None:
        super().__init__()
        self._file = file
        self.begin()
        begin_anew_after_fork(self)
        stop_at_exit(self, last=True)  # the loops write their last records first
        _open.add(self)
        if content:
            _with_content.add(self)

    def begin(self) -> None:
        """Also in the child of a fork, where the parent's thread does not exist."""
        self._records: deque[logging.LogRecord] = deque()
        self._dropped = False
        self._some = threading.Event()
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._work, name="safechat-log", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        if self in _open:
            _open.discard(self)
            _with_content.discard(self)
            forget(self)
            self._ending.set()
            self._some.set()
            self._thread.join()
            self._file.close()

    def emit(self, record: logging.LogRecord) -> None:
        if len(self._records) < _MOST_QUEUED:
            self._records.append(prepared(record))
            if not self._some.is_set():
                self._some.set()
        elif not self._dropped:
            self._dropped = True
            _complain("the log cannot keep up; records are being dropped")

    def _work(self) -> None:
        while not self._ending.is_set():
            self._some.wait()
            self._ending.wait(_LOOK_EVERY)
            self._some.clear()
            self._file.write(self._records)
        self._file.write(self._records)


def prepared(record: logging.LogRecord) -> logging.LogRecord:
    """`record` with its message made now, for its arguments may change. One that cannot be made is told
    as it is: logging's own complaint would print the arguments."""
    if not record.args and not record.exc_info:
        return record
    try:
        message = record.getMessage()
    except Exception:
        message = f"{record.msg!r}, whose arguments do not fit"
    record = copy.copy(record)  # other handlers of this logger get it whole
    record.msg, record.args = message, None
    if record.exc_info:
        record.exc_text = record.exc_text or logging.Formatter().formatException(record.exc_info)
        record.exc_info = None
    return record


class _File:
    """The thread's side: formats, and appends whole lines."""

    def __init__(self, path: Path, formatter: logging.Formatter, max_bytes: int, backups: int) -> None:
        self._path = path
        self._formatter = formatter
        self._max_bytes = max_bytes
        self._backups = backups
        self._descriptor: int | None = None
        self._complained = False

    def write(self, records: deque[logging.LogRecord]) -> None:
        """Take all from `records`. Many lines go in one write, as long as the file has room for them."""
        waiting: list[bytes] = []
        size = 0
        try:
            while records:
                line = f"{self._formatter.format(records.popleft())}\n".encode("utf-8", "backslashreplace")
                if waiting and size + len(line) > _MOST_AT_ONCE:
                    self._append(waiting)
                    waiting, size = [], 0
                waiting.append(line)
                size += len(line)
            self._append(waiting)
        except Exception as error:
            self.close()
            if not self._complained:
                self._complained = True
                _complain(redact(f"cannot write the log {self._path}: {error}; calls go on without it"))

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
                self._put(fitting)
                fitting = []
                self._rotate()
                size = self._size()
            fitting.append(line)
            size += len(line)
        self._put(fitting)

    def _put(self, lines: list[bytes]) -> None:
        if not lines:
            return
        if self._descriptor is None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._descriptor = os.open(self._path, os.O_APPEND | os.O_CREAT | os.O_WRONLY | _BINARY, 0o600)
        os.write(self._descriptor, b"".join(lines))

    def _size(self) -> int:
        """Of the file that is at the path now: another process may have put a new one there."""
        try:
            there = os.stat(self._path)
        except FileNotFoundError:
            self.close()
            return 0
        if self._descriptor is not None and os.fstat(self._descriptor).st_ino != there.st_ino:
            self.close()
        return there.st_size

    def _rotate(self) -> None:
        """One process does it; the others write on and find the new file at their next line."""
        lock = f"{self._path}.lock"
        with suppress(FileNotFoundError):
            if time.time() - os.stat(lock).st_mtime > _STALE_LOCK:
                os.unlink(lock)
        try:
            os.close(os.open(lock, os.O_CREAT | os.O_EXCL))
        except FileExistsError:
            return
        try:
            self.close()
            for number in range(self._backups - 1, 0, -1):
                with suppress(FileNotFoundError):
                    os.replace(f"{self._path}.{number}", f"{self._path}.{number + 1}")
            with suppress(FileNotFoundError):
                os.replace(self._path, f"{self._path}.1")
        finally:
            os.unlink(lock)


def wants_content() -> bool:
    """Whether an open log is to have prompts and answers in it."""
    return bool(_with_content)


def _complain(what: str) -> None:
    with suppress(OSError, ValueError):  # a closed stderr is the end of the line
        print(f"safechat: {what}", file=sys.stderr)


_open: weakref.WeakSet[_Queue] = weakref.WeakSet()
_with_content: set[_Queue] = set()
