"""The output of a batch is its journal: what stands there is answered, and is never asked again.

A line is written with one call of the operating system as soon as its answer is there, so a process that is
killed loses none. `sync` (fsync) puts what is written on the disk; a batch calls it every second, so a power
cut costs the answers of the last second, which are asked again, and none that came before. A line that does
not fit on the disk is cut off again. At each moment a row has one line at the most: at the beginning the
lines of rows that failed, and those that a power cut left half-written, are taken out, in a new file that
takes the place of the old one. Not here: what a line says (lines.py).
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Protocol

from safechat.batch.lines import Entry, read_entry
from safechat.runtime.files import open_shared, sync_folder, try_lock


class Output(Protocol):
    """Where the lines of a batch go."""

    @property
    def answered(self) -> dict[int, str]:
        """The fingerprint of each row that is answered already, by the key of its id."""

    @property
    def usd(self) -> float:
        """What the lines that were there cost."""

    def append(self, line: bytes) -> None: ...

    def sync(self) -> None: ...


class Journal:
    """The output file, open for this process alone. A context manager.

    Raises ValueError where another process writes it, or where it holds something else: it is then as it was.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.answered: dict[int, str] = {}
        self.usd = 0.0
        self.failed = 0  # lines of rows that failed, which are taken out

    def __enter__(self) -> Journal:
        self._alone = sole_writer(self.path)
        self._alone.__enter__()
        try:
            self._read()
            self._file = open(self.path, "ab", buffering=0)
            sync_folder(self.path.parent)
            self._size = self._file.tell()
        except BaseException:
            self._alone.__exit__(None, None, None)
            raise
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self._file.close()
        finally:
            self._alone.__exit__(None, None, None)

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
        """Bring the lines into the order of these keys; nothing is written afterwards. Until that is done, the
        file is as it was."""
        self._file.close()
        with open(self.path, "rb") as file:
            places: dict[int, tuple[int, int]] = {}
            start = 0
            for line in file:
                if (entry := read_entry(line)) is not None:
                    places[entry.key] = (start, len(line))
                start += len(line)

            def lines() -> Iterator[bytes]:
                for key in keys:
                    if key in places:
                        start, length = places[key]
                        file.seek(start)
                        yield file.read(length)

            _replace(self.path, lines())

    def first_other(self, known: Iterable[int]) -> str:
        """The id of the first answer that none of the `known` keys stands for."""
        keys = set(known)
        with open(self.path, "rb") as file:
            entries = (read_entry(line) for line in file)
            return next(entry.id for entry in entries if entry is not None and entry.key not in keys)

    def _read(self) -> None:
        """Take over what is there."""
        if not self.path.exists():
            return
        dropped: set[int] = set()
        torn = False
        whole = 0  # bytes before the last line
        with open(self.path, "rb") as file:
            for number, line in enumerate(file):
                torn = not line.endswith(b"\n")
                entry = self._entry(number, line)
                if torn or entry is None or not entry.answered or entry.key in self.answered:
                    dropped.add(number)
                else:
                    self.answered[entry.key] = entry.fingerprint
                if not torn:
                    whole += len(line)
                    self.usd += entry.usd if entry is not None else 0.0
                    self.failed += entry is not None and not entry.answered
            if len(dropped) > torn:
                file.seek(0)
                _replace(self.path, (line for number, line in enumerate(file) if number not in dropped))
            elif torn:
                os.truncate(self.path, whole)

    def _entry(self, number: int, line: bytes) -> Entry | None:
        try:
            return read_entry(line)
        except ValueError as error:
            reason = str(error)
        raise ValueError(f"{self.path}, line {number + 1}: {reason}; give another output")


class Stream:
    """Standard output, or another file that is open already: nothing is there before, and nothing is read."""

    def __init__(self, file: BinaryIO) -> None:
        self.answered: dict[int, str] = {}
        self.usd = 0.0
        self._file = file

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


def _replace(path: Path, lines: Iterable[bytes]) -> None:
    """A new file with these lines, in the place of the old one: at each moment one of the two is there."""
    new = f"{path}.new"
    with open(new, "wb") as file:
        file.writelines(lines)
        file.flush()
        os.fsync(file.fileno())
    os.replace(new, path)
    sync_folder(path.parent)
