"""configure_logging: an application's records, written to a file or to stdout, as lines without secrets.

Not here: what is logged (events.py, layer.py), how a line reads (format.py), the thread that writes
(queue.py), the file that is rotated (rotation.py).
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Self, TextIO

from safechat.checks import check_count
from safechat.log.format import JsonLines, TextLines
from safechat.log.queue import Output, QueueHandler
from safechat.log.rotation import RotatingFile
from safechat.log.stream import Stream


def configure_logging(
    path: str | Path | TextIO = "chat_api.log",
    level: int | str = "INFO",
    *,
    json: bool = True,
    content: bool = False,
    max_bytes: int = 10_000_000,
    backups: int = 5,
    mode: int = 0o600,
    loggers: Sequence[str] = ("safechat",),
) -> LogFile:
    """Write records to `path`, as lines of JSON (or of text), without any secret, in the background.

    Calls never wait for the disk, and never fail with it. At `max_bytes` the
    file becomes `path.1`, that `path.2`, and so on; it is never rotated where `max_bytes` or `backups`
    is 0. `mode` are the permissions of a new file. In a container, `path` may be sys.stdout.
    `loggers` are those whose records are written; ("safechat", "openai", "httpx2", "hvac") adds the
    records of the libraries below. Calling it again for the same loggers replaces the file.

    `content` adds prompts and answers to `chat.call`, cut, and with personal data
    masked as far as it has a shape. Mind the law.

    Raises TypeError or ValueError, before anything changes.
    """
    logging.Handler().setLevel(level)  # it checks the level
    check_count("max_bytes", max_bytes, zero=True)
    check_count("backups", backups, zero=True)
    if not 0o200 <= check_count("mode", mode) <= 0o777:
        raise ValueError(f"mode must be the permissions of a file, such as 0o640, not {mode!r}")
    if isinstance(loggers, str):
        raise TypeError(f"loggers must be a list of names, not a str: {loggers!r}")
    output: Output
    if isinstance(path, str | Path):
        output = RotatingFile(Path(path), max_bytes=max_bytes, backups=backups, mode=mode)
    elif callable(getattr(path, "write", None)):
        output = Stream(path)
    else:
        raise TypeError(f"path must be a path, or a stream such as sys.stdout, not {type(path).__name__}")
    return LogFile(output, level, loggers, JsonLines() if json else TextLines(), content=content)


class LogFile:
    """An open log. `close` writes what is queued, and detaches the log from its loggers.

    `path` is None for a log to a stream.
    """

    def __init__(
        self,
        output: Output,
        level: int | str,
        loggers: Sequence[str],
        formatter: logging.Formatter,
        *,
        content: bool,
    ) -> None:
        self.path = output.path
        self._loggers = [logging.getLogger(name) for name in loggers]
        self._handler = QueueHandler(output, formatter, content=content)
        for logger in self._loggers:
            for earlier in [handler for handler in logger.handlers if isinstance(handler, QueueHandler)]:
                logger.removeHandler(earlier)
                if not _is_in_use(earlier):
                    earlier.stop()
            logger.addHandler(self._handler)
            logger.setLevel(level)

    def close(self) -> None:
        for logger in self._loggers:
            logger.removeHandler(self._handler)
        self._handler.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _is_in_use(handler: logging.Handler) -> bool:
    """Whether any logger of the process has this handler."""
    loggers = [logging.root, *logging.root.manager.loggerDict.values()]
    return any(isinstance(logger, logging.Logger) and handler in logger.handlers for logger in loggers)
