"""Runs tests in forks of one process that has imported pytest and all libraries already.

A process that starts anew needs a second, most of it to import what has not changed. The
server, `python -m odev.grading.fork_server`, imports it once: it collects the steps' tests,
then forgets the package and the tests, so that each fork imports them as they are then. It
never runs a test itself. On Linux it is also the parent of whatever a fork leaves behind, and
nothing of that lives when it says that the fork has ended. Only on Linux: what it promises
needs prctl(2), and macOS does not like a fork that does not begin another program. Not here:
a run's limits (limited_process.py), the copies of the course (course_copies.py).
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import secrets
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import psutil
import pytest

from odev.course.course import Course
from odev.grading import inside
from odev.grading.limited_process import Start, clean_environment
from odev.grading.process_group import (
    TOKEN,
    adopt_orphans,
    is_zombie,
    kill,
    kill_session,
    popen_options,
)
from odev.grading.pytest_options import files_of_tests, options
from odev.grading.watchdog import WATCHDOG

POSSIBLE = sys.platform == "linux"
_PATIENCE = 60.0  # seconds for what the server does at once on a machine that is not busy
_LONGEST = 200_000  # bytes of a message


class ForkServer:
    """The grader's side. One run at a time."""

    def __init__(self, process: subprocess.Popen[bytes], messages: socket.socket) -> None:
        self._process = process
        self._messages = messages

    def fork(self, job_file: Path, work: Path, environment: Mapping[str, str]) -> Start:
        """Start a fork that runs inside.py's job in the folder `work`. OSError when the server has ended."""
        message = json.dumps({"job": str(job_file), "work": str(work), "environment": dict(environment)})
        return lambda output: _Fork(self, message.encode("utf-8", "surrogateescape"), output)

    @property
    def process(self) -> psutil.Process:
        return psutil.Process(self._process.pid)

    def send(self, message: bytes, *descriptors: int) -> None:
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
    def lives(self) -> bool:
        return self._process.poll() is None

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
                return False
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


_KILLED = -9


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
                [sys.executable, "-P", "-m", __name__, str(theirs.fileno())],
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


def main(messages: socket.socket) -> None:
    """Serve until the grader ends."""
    adopt_orphans()
    preload(**json.loads(messages.recv(_LONGEST).decode("utf-8", "surrogateescape")))
    messages.send(b"ready")
    while True:
        message, descriptors, _, _ = socket.recv_fds(messages, _LONGEST, 1)
        if not message:
            return
        parent = os.getpid()
        child = os.fork()
        if child == 0:
            messages.close()
            _run(json.loads(message.decode("utf-8", "surrogateescape")), descriptors[0], parent)
        os.close(descriptors[0])
        messages.send(str(child).encode())
        _, status = os.waitpid(child, 0)
        _end_descendants()
        messages.send(str(os.waitstatus_to_exitcode(status)).encode())


def preload(collect: Sequence[str], package: str, tests: str) -> None:
    """Import what the package and the tests import, but keep neither of them."""
    importlib.invalidate_caches()
    sys.dont_write_bytecode = False  # so that pytest keeps the tests as it has rewritten them
    pytest.main([*collect])
    sys.dont_write_bytecode = True
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None)
        if file and any(Path(file).is_relative_to(folder) for folder in (package, tests)):
            del sys.modules[name]
    gc.collect()
    gc.freeze()  # a collection in a fork looks at the fork's own objects alone


def _run(request: Mapping[str, Any], output: int, parent: int) -> None:
    """In the fork: become what a new process would be. Does not return."""
    os.setsid()
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.close(output)
    os.chdir(request["work"])
    os.environ.update(request["environment"])
    tempfile.tempdir = None  # it is that of the environment
    inside.main(Path(request["job"]), parent)


def _end_descendants() -> None:
    """End what the fork has left behind, until nothing is left."""
    while True:
        try:
            pid, _ = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            kill(psutil.Process().children(recursive=True))
            time.sleep(0.005)


if __name__ == "__main__":
    main(socket.socket(fileno=int(sys.argv[1])))
