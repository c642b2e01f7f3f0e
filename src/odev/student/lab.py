"""JupyterLab with the classroom running, until Ctrl-C.

All notebooks share one classroom, which they find in their environment. Everything
listens on this machine's loopback only and ends with this process. Not here: the
servers (classroom/).
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from odev.classroom.processes import ask_to_end, is_root
from odev.classroom.room import Classroom
from odev.course.course import Course

_PATIENCE = 15  # seconds for JupyterLab to end its kernels


def lab(course: Course, *, port: int = 8888, browser: bool = True) -> int:
    """Run until JupyterLab ends or Ctrl-C; its exit code, 0 after Ctrl-C."""
    command = [
        *(sys.executable, "-m", "jupyterlab", "--ServerApp.ip=127.0.0.1", f"--ServerApp.port={port}"),
        *(f"--ServerApp.root_dir={course.lessons}", "--ServerApp.answer_yes=True"),
        # JupyterLab must not use the network: no news, no search for updates.
        *("--LabApp.news_url=None", "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate"),
        *([] if browser else ["--ServerApp.open_browser=False"]),
        *(["--allow-root"] if is_root() else []),  # common in a container; it listens on loopback only
    ]
    with Classroom() as room, _terminated_like_interrupted():
        process = subprocess.Popen(command, env={**os.environ, **room.environment()})
        try:
            return process.wait()
        except KeyboardInterrupt:
            return 0
        finally:
            _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    """End JupyterLab. Ctrl-C in a terminal has reached it already; other ends have not."""
    if process.poll() is None:
        ask_to_end(process)
    try:
        process.wait(_PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


@contextmanager
def _terminated_like_interrupted() -> Iterator[None]:
    """Inside, SIGTERM raises KeyboardInterrupt as Ctrl-C does, so that the servers end."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
