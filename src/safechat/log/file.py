"""configure_logging: an application's records, written to a file, as lines without secrets.

Not here: what is logged (events.py, layer.py), how a line reads (format.py), the thread that
writes (queue.py), the file that is rotated (rotation.py).
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Self

from safechat.log.format import JsonLines, TextLines
from safechat.log.queue import QueueHandler
from safechat.log.rotation import RotatingFile


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
    records are written; ("safechat", "openai", "httpx2", "hvac") adds the records of
    the libraries below. Calling it again for the same loggers replaces the file.

    `content` adds prompts and answers to `chat.call`, cut, and with personal data
    masked as far as it has a shape. Mind the law.
    """
    file = RotatingFile(Path(path), JsonLines() if json else TextLines(), max_bytes, backups)
    return LogFile(file, level, loggers, content=content)


class LogFile:
    """An open log. `close` writes what is queued, and detaches the log from its loggers."""

    def __init__(
        self, file: RotatingFile, level: int | str, loggers: Sequence[str], *, content: bool
    ) -> None:
        self.path = file.path
        self._loggers = [logging.getLogger(name) for name in loggers]
        self._handler = QueueHandler(file, content=content)
        for logger in self._loggers:
            for earlier in [handler for handler in logger.handlers if isinstance(handler, QueueHandler)]:
                logger.removeHandler(earlier)
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
