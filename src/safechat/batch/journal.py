"""The output of a batch is its journal: what stands there is answered, and is never asked again.

A line is written with one call of the operating system as soon as its answer is there, so a process that is
killed loses none. `sync` (fsync) puts what is written on the disk; a batch calls it every second, so a power
cut costs the answers of the last second, which are asked again, and none that came before. A line that does
not fit on the disk is cut off again. At the beginning the lines of rows that failed, and those that a power
cut left half-written, are taken out, in a new file that takes the place of the old one. Only the line of a
row that failed and has cost something stays, for it keeps the sum: it is taken out at the end of a run which
has written a new one, with both sums in it. Apart from that a row has one line at the most. Not here: what a
line says (lines.py).
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from io import FileIO
from pathlib import Path
from typing import BinaryIO, Protocol

from safechat.batch.lines import Entry, read_entry
from safechat.runtime.files import open_shared, sync_folder, try_lock


class Output(Protocol):
    """Where the lines of a batch go."""

    @property
    def answered(self) -> dict[int, int]:
        """The fingerprint of each row that is answered already, by the key of its id."""

    @property
    def usd(self) -> float:
        """What the rows with a line have cost so far, in all runs."""

    @property
    def failed_usd(self) -> dict[int, float]:
        """The part of that which a row that failed has cost, by the key of its id; only what is above 0."""

    def start(self) -> None: ...

    def append(self, line: bytes) -> None: ...

    def sync(self) -> None: ...


class Journal:
    """The output file, locked and read by this process, then written to. A context manager.

    Raises ValueError where another process writes it, or where it holds something else. Until `start` it
    stays as it was, and where there is none, there is none.
    """

    def __init__(self, path: Path) -> None:
        self.path = path.resolve()  # a link stays one, and its file has one lock
        self.answered: dict[int, int] = {}
        self.usd = 0.0
        self.failed_usd: dict[int, float] = {}
        self._dropped: set[int] = set()  # lines that are taken out, counted from 0
        self._started = False
        self._opened = ExitStack()

    def __enter__(self) -> Journal:
        if self.path.exists() and not self.path.is_file():
            raise ValueError(f"{self.path} is no ordinary file")
        with ExitStack() as opened:
            opened.enter_context(sole_writer(self.path))
            if self.path.exists():
                lines = self._read()
                self.answered, self.failed_usd, self.usd = lines.answered, lines.failed_usd, lines.usd
                self._dropped = lines.useless | lines.free
            self._opened = opened.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        with self._opened:
            if self._started and self.failed_usd:
                self._file.close()
                with suppress(OSError, ValueError):  # else the next run takes them out
                    self._take_out(self._read().useless)

    def start(self) -> None:
        """Take out the lines that are no answers, and be ready for new ones."""
        self._take_out(self._dropped)
        self._file = self._opened.enter_context(_appended(self.path))
        sync_folder(self.path.parent)
        self._size = self._file.tell()
        self._started = True

    def append(self, line: bytes) -> None:
        """Write the line, or nothing: raises OSError where it does not fit."""
        written = 0
        try:
            while written < len(line):
                written += self._file.write(line[written:]) or 0
        except OSError:
            self._file.truncate(self._size)
            raise
        self._size += len(line)

    def sync(self) -> None:
        """Put what is written on the disk."""
        os.fsync(self._file.fileno())

    def sort(self, keys: Iterable[int]) -> None:
        """Bring the lines into the order of these keys. Nothing is written afterwards.

        Until that is done, the file is as it was.
        """
        self._file.close()
        _rewrite(self.path, lambda file: _sorted(file, keys))

    def first_other(self, known: Iterable[int]) -> str:
        """The id of the first answer that none of the `known` keys stands for."""
        keys = set(known)
        with open(self.path, "rb") as file:
            entries = (read_entry(line) for line in file)
            return next(entry.id for entry in entries if entry is not None and entry.key not in keys)

    def _read(self) -> Lines:
        lines = Lines()
        with open(self.path, "rb") as file:
            for number, line in enumerate(file):
                lines.add(number, self._entry(number, line))
        return lines

    def _take_out(self, numbers: Collection[int]) -> None:
        if numbers:
            _rewrite(
                self.path,
                lambda file: (line for number, line in enumerate(file) if number not in numbers),
            )

    def _entry(self, number: int, line: bytes) -> Entry | None:
        """None for the last line, too, where its end is lacking."""
        try:
            entry = read_entry(line)
            return entry if line.endswith(b"\n") else None
        except ValueError as error:
            reason = str(error)
        raise ValueError(f"{self.path}, line {number + 1}: {reason}; give another output")


@dataclass(slots=True)
class Lines:
    """What the lines of an output say. Their numbers count from 0: `useless` are those that are damaged and
    those with a newer one, `free` those of rows that failed and have cost nothing."""

    answered: dict[int, int] = field(default_factory=dict)
    failed_usd: dict[int, float] = field(default_factory=dict)
    usd: float = 0.0
    useless: set[int] = field(default_factory=set)
    free: set[int] = field(default_factory=set)
    _failed: dict[int, int] = field(default_factory=dict)  # the line of each row that failed at a cost

    def add(self, number: int, entry: Entry | None) -> None:
        """The next line; None for one that is damaged."""
        if entry is None or entry.key in self.answered:
            self.useless.add(number)
            return
        if entry.key in self._failed:
            self.useless.add(self._failed.pop(entry.key))
            self.usd -= self.failed_usd.pop(entry.key)
        self.usd += entry.usd
        if entry.answered:
            self.answered[entry.key] = entry.fingerprint
        elif entry.usd:
            self._failed[entry.key], self.failed_usd[entry.key] = number, entry.usd
        else:
            self.free.add(number)


class Stream:
    """Standard output, or another file that is open already: nothing is there before, and nothing is read."""

    def __init__(self, file: BinaryIO) -> None:
        self.answered: dict[int, int] = {}
        self.usd = 0.0
        self.failed_usd: dict[int, float] = {}
        self._file = file

    def start(self) -> None:
        """It is open."""

    def append(self, line: bytes) -> None:
        self._file.write(line)
        self._file.flush()

    def sync(self) -> None:
        """Its reader has it."""


@contextmanager
def sole_writer(path: Path) -> Iterator[None]:
    """Within the block no other process is in such a block for `path`. Raises ValueError where one is.

    The lock is on a file beside it and ends with the process, however that ends. What is then left of that
    file locks nobody out.
    """
    lock = f"{path}.lock"
    while True:
        with open(lock, "ab", opener=open_shared) as file:
            if not try_lock(file.fileno()):
                raise ValueError(f"another process writes {path} now")
            if not _is_file_of(file, lock):
                continue  # whoever had the lock has just removed it
            try:
                yield
            finally:
                os.unlink(lock)
            return


def _is_file_of(file: BinaryIO, path: str) -> bool:
    try:
        return os.path.samestat(os.fstat(file.fileno()), os.stat(path))
    except FileNotFoundError:
        return False


def _appended(path: Path) -> FileIO:
    return open(path, "ab", buffering=0)


def _sorted(file: BinaryIO, keys: Iterable[int]) -> Iterator[bytes]:
    places: dict[int, tuple[int, int]] = {}
    start = 0
    for line in file:
        if (entry := read_entry(line)) is not None:
            places[entry.key] = (start, len(line))
        start += len(line)
    for key in keys:
        if key in places:
            start, length = places[key]
            file.seek(start)
            yield file.read(length)


def _rewrite(path: Path, lines_of: Callable[[BinaryIO], Iterable[bytes]]) -> None:
    """A file with these lines of the old one, in its place: at each moment one of the two is there."""
    new = f"{path}.new"
    try:
        with open(path, "rb") as old, open(new, "wb") as file:
            shutil.copymode(path, new)
            file.writelines(lines_of(old))
            file.flush()
            os.fsync(file.fileno())
    except BaseException:
        Path(new).unlink(missing_ok=True)  # on a full disk its room is needed
        raise
    os.replace(new, path)
    sync_folder(path.parent)
