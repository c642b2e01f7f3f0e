"""Runs programs as their user does, each in its own process, and measures them under faults.

    run(PROGRAM, patience=3).last_line            # what the user sees last
    measure(room, {"önce": BEFORE, "sonra": AFTER}, {"kredi bitti": {"fault": "fail", "status": 429}})

The clock starts when the program has done its imports and ends with its own code: on
a busy machine the start of Python does not count. Not here: the child's side
(timed_program.py), drawing (plots.py).
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from odev.classroom.room import Classroom

ANSWER = "Hello! You said: Merhaba"  # the classroom's whole answer to `Merhaba`
NAMED = "Cevap alınamadı"  # how the lessons' programs begin an error that they know
_START_SECONDS = 60.0  # until a program has done its imports
_END_SECONDS = 10.0  # between the end of a program's code and the end of its process
_TIMED_PROGRAM = Path(__file__).with_name("timed_program.py")


class Outcome(StrEnum):
    """What the user got: the whole answer, an error with its name, or neither."""

    ANSWER = "answer"
    NAMED = "named"
    BAD = "bad"


SIGNS = {Outcome.ANSWER: "✓", Outcome.NAMED: "!", Outcome.BAD: "✗"}


@dataclass(frozen=True, slots=True)
class ProgramRun:
    """What one program printed, and the seconds of its own code.

    A program that had not ended when the patience was over was stopped: `ended` is False, `seconds` is the
    patience, and `last_line` says so (Turkish).
    """

    output: str
    seconds: float
    ended: bool
    last_line: str


@dataclass(frozen=True, slots=True)
class Measurement:
    """One program under one fault, and the number of requests that the API saw."""

    fault: str
    program: str
    run: ProgramRun
    requests: int
    outcome: Outcome


def run(program: str, patience: float = 20.0, environment: Mapping[str, str] | None = None) -> ProgramRun:
    """Run the program (its source) for at most `patience` seconds, with these variables added to its
    environment."""
    with _ready(program, environment or {}) as child:
        return child.run(patience)


def measure(
    room: Classroom,
    programs: Mapping[str, str],
    faults: Mapping[str, Mapping[str, object]],
    patience: float = 4.0,
    answer: str = ANSWER,
) -> list[Measurement]:
    """Each program under each fault, one after the other, alone on the API, with a line for each (Turkish).

    The values of `faults` are the arguments of `room.broken`, {} for no fault.
    """
    measurements = []
    for fault, arguments in faults.items():
        with ExitStack() as stack:
            # They start at the same time; the clocks run one after the other.
            children = [stack.enter_context(_ready(program, {})) for program in programs.values()]
            for name, child in zip(programs, children, strict=True):
                with room.broken(**arguments) as api:  # type: ignore[arg-type]
                    program_run = child.run(patience)
                    requests = len(api.requests())
                outcome = outcome_of(program_run, answer)
                measurements.append(Measurement(fault, name, program_run, requests, outcome))
                waited = seconds_text(program_run.seconds)
                print(f"{SIGNS[outcome]} {fault:18} {name:12} {waited:>8}  {requests} istek")
    return measurements


def outcome_of(program_run: ProgramRun, answer: str = ANSWER) -> Outcome:
    if program_run.ended and program_run.last_line == answer:
        return Outcome.ANSWER
    named = program_run.ended and program_run.last_line.startswith(NAMED)
    return Outcome.NAMED if named else Outcome.BAD


def seconds_text(seconds: float) -> str:
    """`0,4 sn`: one digit, as Turkish writes it."""
    return f"{seconds:.1f} sn".replace(".", ",")


def _number(number: float) -> str:
    return f"{number:g}".replace(".", ",")


class _Child:
    """A program that has done its imports and waits."""

    def __init__(self, process: subprocess.Popen[bytes], line: socket.socket, output: Path) -> None:
        self._process = process
        self._line = line
        self._output = output

    def run(self, patience: float) -> ProgramRun:
        self._line.settimeout(patience)
        started = time.monotonic()
        try:
            with suppress(BrokenPipeError, ConnectionResetError):  # it ended during its imports
                self._line.sendall(b"!")
            text = _read_line(self._line)
        except TimeoutError:
            return self._not_ended(patience)
        seconds = float(text) if text else time.monotonic() - started  # without a text: os._exit
        try:
            self._process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            return self._not_ended(round(seconds + _END_SECONDS, 1))
        output = self._read()
        return ProgramRun(output, seconds, True, output.strip().rpartition("\n")[2])

    def _not_ended(self, seconds: float) -> ProgramRun:
        self._process.kill()
        self._process.wait()
        return ProgramRun(self._read(), seconds, False, f"({_number(seconds)} saniye sonra hâlâ bekliyordu)")

    def _read(self) -> str:
        return self._output.read_text(encoding="utf-8", errors="replace")


@contextmanager
def _ready(program: str, environment: Mapping[str, str]) -> Iterator[_Child]:
    """The program in a process, at its beginning; at the end of the block it is stopped."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="odev-program-")))
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        listener.settimeout(_START_SECONDS)
        file, output = folder / "program.py", folder / "output"
        file.write_text(program, encoding="utf-8")
        process = subprocess.Popen(
            [sys.executable, "-X", "utf8", "-P", _TIMED_PROGRAM, str(listener.getsockname()[1]), str(file)],
            stdin=subprocess.DEVNULL,
            stdout=stack.enter_context(output.open("wb")),
            stderr=subprocess.STDOUT,
            env={**os.environ, **environment},
        )
        stack.callback(process.wait)
        stack.callback(process.kill)
        line = stack.enter_context(listener.accept()[0])
        line.settimeout(_START_SECONDS)
        _read_line(line)
        yield _Child(process, line, output)


def _read_line(line: socket.socket) -> str:
    """A line that the child sent; empty when it has ended."""
    text = b""
    while not text.endswith(b"\n"):
        piece = line.recv(64)
        if not piece:
            return ""
        text += piece
    return text.decode().strip()
