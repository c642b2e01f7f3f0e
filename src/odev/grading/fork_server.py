"""Runs tests in forks of one process that has imported pytest and all libraries already.

A process that starts anew needs a second, most of it to import what has not changed; a fork
takes a fifth of that. Only on Linux: what the server promises needs prctl(2), and macOS does
not like a fork that does not begin another program. Not here: the server's own side
(forks.py), a run's limits (limited_process.py), the copies of the course (course_copies.py).
"""

from __future__ import annotations

import contextlib
import json
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import psutil

from odev.course.course import Course
from odev.grading.limited_process import Start, clean_environment
from odev.grading.process_group import (
    TOKEN,
    inherited_by_forks,
    is_zombie,
    kill,
    kill_session,
    popen_options,
)
from odev.grading.pytest_options import files_of_tests, options
from odev.grading.watchdog import WATCHDOG

_SERVER = "odev.grading.forks"  # it cannot be imported where it is not possible
POSSIBLE = sys.platform == "linux"
_KILLED = -9  # the exit code of a fork whose server has ended
_PATIENCE = 60.0  # seconds for what the server does at once on a machine that is not busy
_LONGEST = 1_000  # bytes of an answer


class ForkServer:
    """The grader's side. One run at a time."""

    def __init__(self, process: subprocess.Popen[bytes], messages: socket.socket) -> None:
        self._process = process
        self._messages = messages
        self._inherited = inherited_by_forks(self.process)

    def fork(self, job_file: Path, work: Path, environment: Mapping[str, str]) -> Start:
        """Start a fork that runs inside.py's job in the folder `work`. OSError when the server has ended."""
        message = json.dumps({"job": str(job_file), "work": str(work), "environment": dict(environment)})
        return lambda output: _Fork(self, message.encode("utf-8", "surrogateescape"), output)

    @property
    def process(self) -> psutil.Process:
        return psutil.Process(self._process.pid)

    def send(self, message: bytes, *descriptors: int) -> None:
        if sys.platform == "win32":
            raise OSError("Windows cannot fork")
        self._messages.settimeout(_PATIENCE)
        socket.send_fds(self._messages, [message], descriptors)

    def receive(self, seconds: float = _PATIENCE) -> bytes:
        """The next message. TimeoutError when none has come, another OSError when the server has ended."""
        self._messages.settimeout(seconds)
        message = self._messages.recv(_LONGEST)
        if not message:
            raise ConnectionResetError("the fork server has ended")
        return message

    @property
    def is_sound(self) -> bool:
        """Whether it lives, and gives its forks the limits and the priority that it gave the first one: a run
        may change those of any process of this user."""
        with contextlib.suppress(psutil.Error):
            return self._process.poll() is None and inherited_by_forks(self.process) == self._inherited
        return False

    @property
    def is_stopped(self) -> bool:
        """Whether a signal has stopped it, so that it answers no more."""
        with contextlib.suppress(psutil.Error):
            return bool(self.process.status() == psutil.STATUS_STOPPED)
        return False

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()


class _Fork:
    """A run in a fork. All that it starts descends from the server, also what has left its session."""

    def __init__(self, server: ForkServer, message: bytes, output: int) -> None:
        server.send(message, output)
        self._server = server
        self._pid = int(server.receive())
        self._code: int | None = None

    def wait(self, seconds: float) -> bool:
        if self._code is None:
            try:
                self._code = int(self._server.receive(seconds))
            except TimeoutError:
                if not self._server.is_stopped:
                    return False
                self._server.kill()
                self._code = _KILLED
            except (OSError, ValueError):  # the run has killed the server, or written in its place
                self._server.kill()
                self._code = _KILLED
        return True

    def look(self) -> list[psutil.Process]:
        with contextlib.suppress(psutil.Error):
            found = self._server.process.children(recursive=True)
            return [process for process in found if not is_zombie(process)]
        return []

    def end(self) -> int:
        end = time.monotonic() + _PATIENCE
        while self._code is None:
            kill_session(self._pid)
            kill(self.look())
            if not self.wait(0.01) and time.monotonic() > end:
                self._server.kill()
        return self._code


@contextlib.contextmanager
def serving(course: Course, folder: Path) -> Iterator[ForkServer]:
    """A server for runs in this copy of the course; `folder` is its home. OSError when it cannot begin."""
    if sys.platform != "linux":
        raise OSError("only Linux has what a fork server needs")
    home = folder / "home"
    home.mkdir()
    token = secrets.token_hex(16)
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours:
        with theirs:
            process = subprocess.Popen(
                [sys.executable, "-P", "-m", _SERVER, str(theirs.fileno())],
                cwd=home,
                env={**clean_environment(home, [course.src]), TOKEN: token},
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                **popen_options(),
            )
        server = ForkServer(process, ours)
        try:
            WATCHDOG.watch(token, [(process.pid, server.process.create_time())])
            collect = [*options(course), "--collect-only", *map(str, files_of_tests(course))]
            paths = {"package": str(course.src / course.package), "tests": str(course.steps.parent)}
            server.send(json.dumps({"collect": collect, **paths}).encode("utf-8", "surrogateescape"))
            server.receive()
            yield server
        finally:
            server.kill()
            WATCHDOG.forget(token)
