"""Runs one process within limits, and ends it together with every process that it started.

This is not a sandbox. It stops accidents and the usual tricks, so that one run
cannot harm the next. It does not keep hostile code away from this user's files or
from the network; for that, run the whole grading in a container.

Time, output, memory and the number of processes are watched from outside, on
every system. On POSIX the process also limits itself before it runs anything
(inside.py): address space, CPU time, file size and the number of the user's
processes (the kernel does not count those of root). A busy machine costs nobody
points: what counts is the run's own time. Not here: what is run (steps.py), what
the operating system is asked (process_group.py).
"""

from __future__ import annotations

import contextlib
import os
import secrets
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from odev.course.environment import own_environment
from odev.grading.process_group import TOKEN, Family, are_asleep, cpu_seconds, memory, popen_options
from odev.grading.watchdog import WATCHDOG

_TICK = 0.1  # seconds between two checks of the limits
_STARTUP = 15.0  # seconds of CPU for Python, pytest and the package, before the first test
_TAIL = 20_000  # bytes of output that are kept


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of one run: seconds of its own time; bytes of memory, of output and of one file; the number
    of processes at the same time.

    Its own time is, from the first test on, its CPU seconds and, apart from those, the seconds in which it
    sleeps (as far as the system shows that: Linux does). Time in which other programs have the processor is
    not its own.
    """

    seconds: float = 20.0
    memory: int = 2 * 1024**3
    output: int = 10_000_000
    file: int = 50_000_000
    processes: int = 48

    @property
    def wall(self) -> float:
        """The limit of a run that does not use its own time up: seconds from the first test on, and as many
        before it."""
        return max(60.0, 3 * self.seconds)


class Ended(StrEnum):
    """What ended a run. TIME is its own time, WALL and BUSY the generous limit by the clock on the wall: BUSY
    where the computer is to blame, because no test had begun or because the run had to wait for it."""

    ITSELF = "itself"
    TIME = "time"
    WALL = "wall"
    BUSY = "busy"
    MEMORY = "memory"
    OUTPUT = "output"
    PROCESSES = "processes"


@dataclass(frozen=True, slots=True)
class Outcome:
    ended: Ended
    returncode: int
    output: str  # the end of what it wrote


class RunsStopped(Exception):
    """No run may begin now: the grading is being ended."""


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
    command: Sequence[str],
    folder: Path,
    environment: Mapping[str, str],
    limits: Limits,
    begun: Callable[[], bool] = lambda: True,
) -> Outcome:
    """Run the command in `folder` until it ends or exceeds a limit; then end all that it started.

    `begun` says whether the first test has begun: until then the run may start up.
    """
    token = secrets.token_hex(16)
    with _RUNS.one() as stopped:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env={**environment, TOKEN: token},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            **popen_options(),
        )
        output = _OutputReader(process)
        family = Family(process.pid, token)
        try:
            ended = _wait(process, family, token, output, limits, begun, stopped)
        finally:
            family.end()
            process.kill()
            process.wait()
            WATCHDOG.forget(token)
    output.join()
    if output.size > limits.output:
        ended = Ended.OUTPUT
    return Outcome(ended, process.wait(), output.text())


class _Runs:
    """The runs of this program, which Ctrl-C ends."""

    def __init__(self) -> None:
        self._stopped = threading.Event()

    @contextlib.contextmanager
    def one(self) -> Iterator[threading.Event]:
        """A run; it ends soon when the event is set. RunsStopped when no run may begin."""
        if self._stopped.is_set():
            raise RunsStopped
        yield self._stopped

    @contextlib.contextmanager
    def stopped(self) -> Iterator[None]:
        self._stopped.set()
        try:
            yield
        finally:
            self._stopped.clear()


_RUNS = _Runs()


def no_more_runs() -> contextlib.AbstractContextManager[None]:
    """A block in which every run of this program ends, and none begins."""
    return _RUNS.stopped()


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


def _wait(
    process: subprocess.Popen[bytes],
    family: Family,
    token: str,
    output: _OutputReader,
    limits: Limits,
    begun: Callable[[], bool],
    stopped: threading.Event,
) -> Ended:
    clock = _Clock(limits)
    known = family.births()
    WATCHDOG.watch(token, known)
    while True:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_TICK)
            return Ended.ITSELF
        if stopped.is_set():
            raise RunsStopped
        processes = family.look()
        if (births := family.births()) != known:
            known = births
            WATCHDOG.watch(token, known)
        ended = clock.look(
            time.monotonic(), cpu_seconds(processes), asleep=are_asleep(processes), begun=begun()
        )
        if ended is not None:
            return ended
        if output.size > limits.output:
            return Ended.OUTPUT
        if len(processes) > limits.processes:
            return Ended.PROCESSES
        if memory(processes) > limits.memory:
            return Ended.MEMORY


class _Clock:
    """Decides when a run's time is over, from what is seen of it at each look."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._begun = False
        self._since: float | None = None
        self._cpu = 0.0  # when the first test began
        self._asleep = 0.0

    def look(self, now: float, cpu: float, *, asleep: bool, begun: bool) -> Ended | None:
        """`now` and `cpu` in seconds. A look counts as one tick of sleep, even if it comes late: in between
        the run may have had work to do."""
        if begun and not self._begun:
            self._begun, self._since, self._cpu, self._asleep = True, now, cpu, 0.0
        if self._since is None:
            self._since = now
        self._asleep += _TICK if asleep else 0.0
        own = self._limits.seconds + (0.0 if self._begun else _STARTUP)
        if cpu - self._cpu > own or self._asleep > own:
            return Ended.TIME
        if now - self._since < self._limits.wall:
            return None
        # On Linux its sleep is known: what is neither sleep nor CPU was spent waiting for the computer.
        return Ended.WALL if self._begun and sys.platform != "linux" else Ended.BUSY
