"""Runs one program within limits, and ends it together with every process that it started.

This is not a sandbox. It stops accidents and the usual tricks, so that one run
cannot harm the next. It does not keep hostile code away from this user's files or
from the network; for that, run the whole grading in a container.

Time, output, memory and the number of processes are watched from outside, on
every system. On POSIX the process also limits itself before it runs anything
(inside.py): address space, CPU time, file size and the number of the user's
processes (the kernel does not count those of root). A busy machine costs nobody
points: what counts is the run's own time. Not here: what is run (steps.py), how a
fork is run in place of a new process (fork_server.py), what the operating system is
asked (process_group.py).
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
from tempfile import TemporaryFile
from typing import Protocol

import psutil

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

    seconds: float = 5.0  # the tests of a task take the solution a fifth of one
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


class Running(Protocol):
    """A program that has begun, with all that it starts."""

    def wait(self, seconds: float) -> bool:
        """Whether it has ended; after so many seconds at the latest."""

    def look(self) -> list[psutil.Process]:
        """Its processes that live now."""

    def end(self) -> int:
        """Kill what is left of it. Its exit code."""


Start = Callable[[int], Running]  # with the file descriptor of its output


def run_limited(start: Start, limits: Limits, begun: Callable[[], bool] = lambda: True) -> Outcome:
    """Start a program, and wait until it ends or exceeds a limit; then end all that it started.

    `begun` says whether the first test has begun: until then the program may start up.
    """
    with _RUNS.one() as stopped, TemporaryFile() as output:
        running = start(output.fileno())
        try:
            ended = _wait(running, output.fileno(), limits, begun, stopped)
        finally:
            returncode = running.end()
        size = _size(output.fileno())
        output.seek(max(0, size - _TAIL))
        text = output.read().decode("utf-8", "replace")
        return Outcome(Ended.OUTPUT if size > limits.output else ended, returncode, text)


def new_process(command: Sequence[str], folder: Path, environment: Mapping[str, str]) -> Start:
    """Start this command in `folder`."""
    return lambda output: _NewProcess(command, folder, environment, output)


class _NewProcess:
    """A process with a session of its own; its descendants are remembered, also those that leave it."""

    def __init__(
        self, command: Sequence[str], folder: Path, environment: Mapping[str, str], output: int
    ) -> None:
        self._token = secrets.token_hex(16)
        self._process = subprocess.Popen(
            command,
            cwd=folder,
            env={**environment, TOKEN: self._token},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            **popen_options(),
        )
        self._family = Family(self._process.pid, self._token)
        self._births = self._family.births()
        WATCHDOG.watch(self._token, self._births)

    def wait(self, seconds: float) -> bool:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(seconds)
            return True
        return False

    def look(self) -> list[psutil.Process]:
        processes = self._family.look()
        if (births := self._family.births()) != self._births:
            self._births = births
            WATCHDOG.watch(self._token, births)
        return processes

    def end(self) -> int:
        self._family.end()
        self._process.kill()
        WATCHDOG.forget(self._token)
        return self._process.wait()


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


def _size(output: int) -> int:
    return os.fstat(output).st_size


def _wait(
    running: Running, output: int, limits: Limits, begun: Callable[[], bool], stopped: threading.Event
) -> Ended:
    clock = _Clock(limits)
    while not running.wait(_TICK):
        if stopped.is_set():
            raise RunsStopped
        processes = running.look()
        ended = clock.look(
            time.monotonic(), cpu_seconds(processes), asleep=are_asleep(processes), begun=begun()
        )
        if ended is not None:
            return ended
        if _size(output) > limits.output:
            return Ended.OUTPUT
        if len(processes) > limits.processes:
            return Ended.PROCESSES
        if memory(processes) > limits.memory:
            return Ended.MEMORY
    return Ended.ITSELF


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
