"""The lines of log files: of several, of compressed ones, and of one that still grows.

In bounded memory, whatever the files' size. Not here: what the lines say (logs.py).
"""

from __future__ import annotations

import glob
import gzip
import os
import re
import time
import zlib
from collections.abc import Iterable, Iterator
from io import BufferedIOBase, BufferedReader
from pathlib import Path

from safechat.runtime.files import open_shared

# Bytes of a line. A longer one is none of ours.
LONGEST_LINE = 1_000_000


def read_lines(files: Iterable[Path]) -> Iterator[str]:
    """The lines of logs, one file after the other; one that ends in .gz is decompressed.

    Of a line that is too long, its beginning. A compressed file that is damaged ends there, with a torn line.
    """
    for path in files:
        with _reader(path) as file:
            try:
                while line := _read_line(file):
                    yield line.decode("utf-8", "replace")
            except (EOFError, zlib.error, gzip.BadGzipFile):
                yield ""


def oldest_first(files: Iterable[Path]) -> list[Path]:
    """`files`, with the numbers that a rotation gave them going down: chat.log.2.gz, chat.log.1, chat.log."""
    return sorted(files, key=lambda path: -_rotation(path.name))


def rotated_files(path: Path) -> list[Path]:
    """The files that a rotation made of this one: chat.log.1, chat.log.2.gz, …"""
    return [
        other
        for other in path.parent.glob(f"{glob.escape(path.name)}.*")
        if re.fullmatch(r"\.\d+(\.gz)?", other.name.removeprefix(path.name))
    ]


def _rotation(name: str) -> int:
    """The number of a rotated file; 0 for the one that is written to."""
    match = re.search(r"\.(\d{1,9})(\.gz)?$", name)
    return int(match[1]) if match else 0


def _reader(path: Path) -> BufferedIOBase:
    return gzip.open(path) if path.suffix == ".gz" else _opened(path)


def _opened(path: Path) -> BufferedReader:
    """So that whoever writes the log can rotate it meanwhile."""
    return open(path, "rb", opener=open_shared)


def _read_line(file: BufferedIOBase, begun: bytes = b"") -> bytes:
    """The line that `begun` is the beginning of. At the end of the file it may have no end yet.

    Of a line that is too long, its beginning and its end: a newline, if it has come.
    """
    line = begun
    while piece := file.readline(LONGEST_LINE):
        line += piece
        if len(line) > LONGEST_LINE:
            line = line[:LONGEST_LINE] + (b"\n" if piece.endswith(b"\n") else b"")
        if line.endswith(b"\n"):
            break
    return line


def follow_lines(path: Path, *, every: float = 0.5) -> Iterator[str | None]:
    """The lines of a file, for ever: those that are there, then new ones. None when there is no new line;
    then it waits `every` seconds. After a rotation it goes on with the new file, and where the file was cut
    (logrotate's copytruncate), at its beginning."""
    while True:
        try:
            file = _opened(path)
        except FileNotFoundError:
            yield None
            time.sleep(every)
            continue
        with file:
            yield from _lines_until_replaced(file, path, every)


def _lines_until_replaced(file: BufferedIOBase, path: Path, every: float) -> Iterator[str | None]:
    line = b""
    while True:
        replaced = _was_replaced(file, path)  # asked first: nothing comes after what is read then
        while (line := _read_line(file, line)).endswith(b"\n"):
            yield line.decode("utf-8", "replace")
            line = b""
        if replaced:
            if line:
                yield line.decode("utf-8", "replace")
            return
        yield None
        time.sleep(every)


def _was_replaced(file: BufferedIOBase, path: Path) -> bool:
    """Whether another file is there now, or the same one is shorter than what was read of it."""
    try:
        now, then = os.stat(path), os.fstat(file.fileno())
    except FileNotFoundError:
        return False
    return now.st_ino != then.st_ino or now.st_size < file.tell()
