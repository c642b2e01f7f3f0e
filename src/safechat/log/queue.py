"""QueueHandler: a record goes into a queue, and a thread writes it. So no call waits for the disk.

Not here: how a line reads (format.py), the file (rotation.py).
"""

from __future__ import annotations

import copy
import logging
import threading
from collections import deque

from safechat.log.complaint import complain
from safechat.log.content import logs_with_content
from safechat.log.rotation import RotatingFile
from safechat.runtime.process import begin_anew_after_fork, forget, stop_at_exit

# Records that may wait. Further ones are dropped, and stderr says so once.
MOST_QUEUED = 10_000
# Seconds between two looks at the queue. To wake the thread for each record would cost a call more
# than all the rest of logging.
LOOK_EVERY = 0.05


class QueueHandler(logging.Handler):
    """Keeps each record as it is at this moment, and writes it to `file` in a thread of its own.

    With `content` the log wants prompts and answers.
    """

    def __init__(self, file: RotatingFile, *, content: bool) -> None:
        super().__init__()
        self._file = file
        self.begin()
        begin_anew_after_fork(self)
        stop_at_exit(self, last=True)  # the event loops write their last records first
        if content:
            logs_with_content.add(self)

    def begin(self) -> None:
        """Start the thread. Also called in the child of a fork, where the parent's does not exist."""
        self._records: deque[logging.LogRecord] = deque()
        self._dropped = False
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
        self._file.close()

    def emit(self, record: logging.LogRecord) -> None:
        if len(self._records) < MOST_QUEUED:
            self._records.append(prepared(record))
            if not self._not_empty.is_set():
                self._not_empty.set()
        elif not self._dropped:
            self._dropped = True
            complain("the log cannot keep up; records are being dropped")

    def _work(self) -> None:
        while not self._ending.is_set():
            self._not_empty.wait()
            self._ending.wait(LOOK_EVERY)
            self._not_empty.clear()
            self._file.write(self._records)
        self._file.write(self._records)


def prepared(record: logging.LogRecord) -> logging.LogRecord:
    """`record` with its message formatted now, for its arguments may change later.

    Where the arguments do not fit the message, the message stays as it is. The
    complaint that logging itself would write shows the arguments, and so their secrets.
    """
    if not record.args and not record.exc_info:
        return record
    try:
        message = record.getMessage()
    except Exception:
        message = f"{record.msg!r}, whose arguments do not fit"
    record = copy.copy(record)  # the logger's other handlers get the record unchanged
    record.msg, record.args = message, None
    if record.exc_info:
        record.exc_text = record.exc_text or logging.Formatter().formatException(record.exc_info)
        record.exc_info = None
    return record
