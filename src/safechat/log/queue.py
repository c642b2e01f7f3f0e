"""QueueHandler: a record goes into a queue, and a thread writes it. So no call waits for the disk.

A disk that fails is reported once on stderr and harms no call. Records that are lost are counted, and the
record `log.lost` says how many, as soon as one can be written. A process that is killed loses those of the
last LOOK_EVERY seconds. Not here: how a line reads (format.py), where it is written to (rotation.py,
stream.py).
"""

from __future__ import annotations

import copy
import logging
import threading
from collections import Counter, deque
from pathlib import Path
from typing import Literal, Protocol

from safechat.log.complaint import complain
from safechat.log.content import logs_with_content
from safechat.log.events import OWN_FIELDS
from safechat.redact import redact, redacted
from safechat.runtime.process import begin_anew_after_fork, forget, stop_at_exit

# Records that may wait. Further ones are lost, and stderr says so once.
MOST_QUEUED = 10_000
# Seconds between two looks at the queue. To wake the thread for every record would cost a call more
# than all the rest of logging.
LOOK_EVERY = 0.05
# Bytes that are written at once.
MOST_AT_ONCE = 65_536

LossReason = Literal["queue_full", "not_formatted", "not_written"]


class Output(Protocol):
    """What lines are written to. `str` names it in a message."""

    @property
    def path(self) -> Path | None: ...

    def append(self, lines: deque[bytes]) -> None:
        """Append whole lines, and take them out of `lines`. What is left when it raises was not written."""

    def close(self) -> None:
        """Let go of what is open. The next `append` opens it again."""


class QueueHandler(logging.Handler):
    """Keeps every record as it is at this moment, and writes it to `output` in its own thread.

    With `content` the log wants prompts and answers.
    """

    def __init__(self, output: Output, formatter: logging.Formatter, *, content: bool) -> None:
        super().__init__()
        self._output = output
        self.setFormatter(formatter)
        self._complained: set[LossReason] = set()
        self.begin()
        begin_anew_after_fork(self)
        stop_at_exit(self, last=True)  # the event loops write their last records first
        if content:
            logs_with_content.add(self)

    def begin(self) -> None:
        """Start the thread. Also called in the child of a fork, where the parent's does not exist."""
        self._records: deque[logging.LogRecord] = deque()
        self._losses: Counter[LossReason] = Counter()
        self._lock = threading.Lock()
        self._output.close()  # the lock of an open file belongs to the parent, too
        self._not_empty = threading.Event()
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._work, name="safechat-log", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Write what is queued, and end. Stopping twice is no error."""
        if self._ending.is_set():
            return
        self._ending.set()
        self._not_empty.set()
        forget(self)
        logs_with_content.discard(self)
        self._thread.join()
        self._output.close()
        if lost := self._losses.total():
            complain(f"{lost} records of the log {self._output} were lost")

    def emit(self, record: logging.LogRecord) -> None:
        if len(self._records) >= MOST_QUEUED:
            self._lose(1, "queue_full", "it cannot keep up")
            return
        try:
            self._records.append(snapshot(record))
        except Exception as error:
            self._lose(1, "not_formatted", type(error).__name__)
        if not self._not_empty.is_set():
            self._not_empty.set()

    def _lose(self, count: int, reason: LossReason, problem: str) -> None:
        """Count records that are lost."""
        with self._lock:
            self._losses[reason] += count
            first = reason not in self._complained
            self._complained.add(reason)
        if first:
            complain(redact(f"cannot write the log {self._output}: {problem}; calls go on without it"))

    def _work(self) -> None:
        while not self._ending.is_set():
            self._not_empty.wait()
            self._ending.wait(LOOK_EVERY)
            self._not_empty.clear()
            self._write()
        self._write()

    def _write(self) -> None:
        """Write what is queued, many lines at once."""
        while self._records:
            self._append(self._formatted())
        # Alone, if there is no other line: the last records may be those that were lost.
        if self._losses:
            self._append(deque())

    def _formatted(self) -> deque[bytes]:
        """The lines of the next records."""
        lines: deque[bytes] = deque()
        size = 0
        while self._records and size < MOST_AT_ONCE:
            try:
                line = self._line(self._records.popleft())
            except Exception as error:
                self._lose(1, "not_formatted", type(error).__name__)
                continue
            lines.append(line)
            size += len(line)
        return lines

    def _append(self, lines: deque[bytes]) -> None:
        """Append the lines, after those that say how many were lost before."""
        with self._lock:
            losses = self._losses.copy()
        notices = [self._line(_lost(reason, count)) for reason, count in losses.items()]
        lines.extendleft(reversed(notices))
        try:
            self._output.append(lines)
        except Exception as error:
            self._output.close()
            problem = str(error)
        else:
            problem = ""
        unwritten = sum(line in notices for line in lines)
        with self._lock:
            for reason in list(losses)[: len(notices) - unwritten]:
                self._losses.subtract({reason: losses[reason]})
            self._losses = +self._losses
        if problem:
            self._lose(len(lines) - unwritten, "not_written", problem)

    def _line(self, record: logging.LogRecord) -> bytes:
        return f"{self.format(record)}\n".encode("utf-8", "backslashreplace")


def _lost(reason: LossReason, count: int) -> logging.LogRecord:
    """The record `log.lost`."""
    record = logging.LogRecord("safechat", logging.WARNING, "", 0, "log.lost", None, None)
    vars(record).update(records=count, reason=reason)
    return record


_IMMUTABLE = (str, int, float, bool, type(None))


def snapshot(record: logging.LogRecord) -> logging.LogRecord:
    """`record` as it is now: its message, its exception and its extras may change before it is written.

    Where the arguments do not fit the message, the message stays as it is. The
    complaint that logging itself would write shows the arguments, and so their secrets.
    """
    changeable = [
        name
        for name, value in vars(record).items()
        if type(value) not in _IMMUTABLE and (name == "msg" or name not in OWN_FIELDS)
    ]
    if not (changeable or record.args or record.exc_info):
        return record
    kept = copy.copy(record)  # the logger's other handlers get the record unchanged
    for name in changeable:
        setattr(kept, name, redacted(getattr(record, name)))
    if record.args:
        try:
            kept.msg = record.getMessage()
        except Exception:
            kept.msg = f"{record.msg!r}, whose arguments do not fit"
        kept.args = None
    if record.exc_info:
        kept.exc_text = record.exc_text or logging.Formatter().formatException(record.exc_info)
        kept.exc_info = None
    return kept
