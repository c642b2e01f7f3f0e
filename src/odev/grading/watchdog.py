"""Ends what the runs have started when the grader itself has ended, however that was: SIGKILL, too.

One small process for each grader, `python -m odev.grading.watchdog`. The grader writes
to its standard input which processes each run has; the input ends when the grader ends,
and then the watchdog ends those that are left. Not here: how a run ends while the
grader lives (limited_process.py).
"""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TextIO

from odev.grading import process_group


class Watchdog:
    """The grader's side. The process starts when there is something to watch for the first time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[str] | None = None

    def watch(self, token: str, births: Sequence[tuple[int, float]]) -> None:
        """The run with this token has these processes now, by number and time of birth."""
        self._write(token, births)

    def forget(self, token: str) -> None:
        """The run is over, and nothing is left of it."""
        self._write(token, None)

    def _write(self, token: str, births: Sequence[tuple[int, float]] | None) -> None:
        with self._lock:
            if self._process is None or self._process.poll() is not None:
                self._process = _start()
            assert self._process.stdin is not None
            # A run may have killed it a moment ago; the next line starts another one.
            with contextlib.suppress(OSError):
                self._process.stdin.write(json.dumps([token, births]) + "\n")
                self._process.stdin.flush()

    def close(self) -> None:
        with self._lock:
            if self._process is not None:
                with contextlib.suppress(OSError):
                    self._process.communicate()
                self._process = None


WATCHDOG = Watchdog()
atexit.register(WATCHDOG.close)


def _start() -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-P", "-m", __name__],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[2]), "PYTHONUTF8": "1"},
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        text=True,
        encoding="utf-8",
        **process_group.popen_options(),
    )


def main(lines: Iterable[str] | TextIO) -> None:
    """Read until the grader ends, then end what is left of its runs."""
    runs: dict[str, list[tuple[int, float]]] = {}
    for line in lines:
        with contextlib.suppress(ValueError, TypeError):  # the grader ended in the middle of a line
            token, births = json.loads(line)
            if births is None:
                runs.pop(token, None)
            else:
                runs[token] = [(pid, born) for pid, born in births]
    process_group.end_left_over(runs, [birth for births in runs.values() for birth in births])


if __name__ == "__main__":
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):  # a signal to the grader's terminal does not end it first
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    main(sys.stdin)
