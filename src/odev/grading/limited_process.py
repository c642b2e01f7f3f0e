"""Runs one process within limits, and ends it together with every process that it started.

This is not a sandbox. It stops accidents and the usual tricks, so that one run
cannot harm the next. It does not keep hostile code away from this user's files or
from the network; for that, run the whole grading in a container.

Time, output, memory and the number of processes are watched from outside, on
every system. On POSIX the process also limits itself before it runs anything
(inside.py): address space, CPU time, file size and the number of the user's
processes (the kernel does not count those of root). Not here: what is run (steps.py).
"""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import psutil

from odev.course.environment import own_environment

TOKEN = "ODEV_RUN"  # a process that inherits this variable belongs to the run, also in another session
_TICK = 0.05  # seconds between two checks of the limits
_TAIL = 20_000  # bytes of output that are kept


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of one run: wall-clock seconds; bytes of memory, of output and of one file; the number of
    processes at the same time.

    On Linux, seconds in which the run waits for the processor because other programs have it do not count, up
    to nine times the limit.
    """

    seconds: float = 20.0
    memory: int = 2 * 1024**3
    output: int = 10_000_000
    file: int = 50_000_000
    processes: int = 48


class Ended(StrEnum):
    """What ended a run."""

    ITSELF = "itself"
    TIME = "time"
    MEMORY = "memory"
    OUTPUT = "output"
    PROCESSES = "processes"


@dataclass(frozen=True, slots=True)
class Outcome:
    ended: Ended
    returncode: int
    output: str  # the end of what it wrote


def clean_environment(home: Path, paths: Sequence[Path]) -> dict[str, str]:
    """An environment without keys and settings. `home` is also its temporary folder, and Python looks for
    modules in `paths` first."""
    homes = dict.fromkeys(
        ("HOME", "USERPROFILE", "APPDATA", "LOCALAPPDATA", "TMPDIR", "TEMP", "TMP"), str(home)
    )
    return {
        **own_environment(),
        **homes,
        "PYTHONPATH": os.pathsep.join(map(str, paths)),
        "PYTHONUTF8": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONHASHSEED": "0",
        "MALLOC_ARENA_MAX": "2",  # otherwise glibc reserves 64 MB of address space for each thread
    }


def run_limited(
    command: Sequence[str], folder: Path, environment: Mapping[str, str], limits: Limits
) -> Outcome:
    """Run the command in `folder` until it ends or exceeds a limit; then end all that it started."""
    token = secrets.token_hex(16)
    process = subprocess.Popen(
        command,
        cwd=folder,
        env={**environment, TOKEN: token},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=os.name == "posix",
        creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
    )
    output = _OutputReader(process)
    try:
        ended = _wait(process, output, limits)
    finally:
        _end_all(process, token)
    output.join()
    if output.size > limits.output:
        ended = Ended.OUTPUT
    return Outcome(ended, process.wait(), output.text())


class _OutputReader(threading.Thread):
    """Reads all output, counts its bytes and keeps the end of it."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        super().__init__(daemon=True)
        self._stream = process.stdout
        self._tail = b""
        self.size = 0
        self.start()

    def run(self) -> None:
        assert self._stream is not None
        with self._stream as stream:
            while piece := os.read(stream.fileno(), 65536):
                self.size += len(piece)
                self._tail = (self._tail + piece)[-_TAIL:]

    def join(self, timeout: float | None = 5.0) -> None:
        super().join(timeout)

    def text(self) -> str:
        return self._tail.decode("utf-8", "replace")


def _wait(process: subprocess.Popen[bytes], output: _OutputReader, limits: Limits) -> Ended:
    started = time.monotonic()
    while True:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_TICK)
            return Ended.ITSELF
        kept_waiting = min(_kept_waiting(process.pid), 9 * limits.seconds)
        if time.monotonic() - started - kept_waiting >= limits.seconds:
            return Ended.TIME
        if output.size > limits.output:
            return Ended.OUTPUT
        members = _members(process.pid)
        if len(members) > limits.processes:
            return Ended.PROCESSES
        if _memory(members) > limits.memory:
            return Ended.MEMORY


def _kept_waiting(pid: int) -> float:
    """Seconds in which its main thread could run and had no processor. 0 where the kernel does not count
    them: Linux writes the nanoseconds (Documentation/scheduler/sched-stats.rst)."""
    with contextlib.suppress(OSError):
        return int(Path(f"/proc/{pid}/schedstat").read_text(encoding="ascii").split()[1]) / 1e9
    return 0.0


def _members(leader: int) -> list[int]:
    """The processes of the run: on POSIX those of its session, on Windows the leader and its descendants."""
    if sys.platform == "win32":
        with contextlib.suppress(psutil.Error):
            return [leader, *(child.pid for child in psutil.Process(leader).children(recursive=True))]
        return []
    return [pid for pid in psutil.pids() if _session_id(pid) == leader and not _is_dead(pid)]


def _session_id(pid: int) -> int:
    if sys.platform != "win32":
        with contextlib.suppress(OSError):
            return os.getsid(pid)
    return -1


def _is_dead(pid: int) -> bool:
    """Whether it has ended. It stays in the list until its parent asks, which in a container may be never."""
    with contextlib.suppress(psutil.Error):
        return bool(psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)
    return True


def _memory(pids: list[int]) -> int:
    """Bytes of physical memory; memory that processes share is counted once for each of them."""
    total = 0
    for pid in pids:
        with contextlib.suppress(psutil.Error):
            total += psutil.Process(pid).memory_info().rss
    return total


def _end_all(process: subprocess.Popen[bytes], token: str) -> None:
    """Kill the process group, then the processes that left it, until none is left.

    One call kills the whole group, so a process cannot escape by forking. A process that moved to another
    session is found by the token in its environment.
    """
    if sys.platform == "win32" and process.poll() is None:
        for child in _members(process.pid):
            _kill(child)
    for _ in range(200):
        if sys.platform != "win32" and (process.poll() is None or _members(process.pid)):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
        process.kill()
        process.wait()
        left = {*_members(process.pid), *_processes_with(token)}
        if not left:
            return
        for pid in left:
            _kill(pid)
        time.sleep(0.01)


def _processes_with(token: str) -> list[int]:
    pids = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if process.status() != psutil.STATUS_ZOMBIE and process.environ().get(TOKEN) == token:
                pids.append(process.pid)
    return pids


def _kill(pid: int) -> None:
    with contextlib.suppress(psutil.Error):
        psutil.Process(pid).kill()
