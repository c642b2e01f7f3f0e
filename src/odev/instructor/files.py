"""The files that a path holds: of a folder, of a zip, or the file itself. Nothing is unpacked onto the disk.

No link is followed. Not here: what the files mean (handed_in.py).
"""

from __future__ import annotations

import stat
import zipfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO

from odev.instructor.plain_text import plain

_NOT_THE_STUDENTS = {"solutions", "__MACOSX", "site-packages", "node_modules"}
_MOST_FILES = 20_000
_UTF8_NAME = 0x800  # the flag of a zip's entry whose name is UTF-8

Open = Callable[[], AbstractContextManager[IO[bytes]]]


@dataclass(frozen=True, slots=True)
class HandedInFile:
    """`path` is relative to what was handed in; `time` is that of its last change, in seconds since 1970;
    `packed` is a file in a zip."""

    path: PurePosixPath
    size: int
    time: float
    open_bytes: Open
    packed: bool = False


class TooManyFiles(Exception):
    """Nobody reads a submission with so many files; the message is Turkish."""


def files_in(path: Path) -> tuple[HandedInFile, ...]:
    """The student's files in this folder, in the order of their paths; or this file."""
    if path.is_dir():
        return _in_order(_files_in_folder(path))
    return (_file(path, PurePosixPath(plain(path.name) or "_")),)


def files_in_zip(open_zip: Open) -> tuple[HandedInFile, ...]:
    """The same of a zip. One that is broken raises what zipfile raises, which is almost anything."""
    with open_zip() as stream, zipfile.ZipFile(stream) as archive:
        infos = archive.infolist()
    return _in_order(
        HandedInFile(
            _name(info), info.file_size, _time(info), partial(_unpacked, open_zip, info), packed=True
        )
        for info in infos
        if not info.is_dir()
    )


def _in_order(files: Iterator[HandedInFile]) -> tuple[HandedInFile, ...]:
    students: list[HandedInFile] = []
    for file in files:
        parts = file.path.parts
        if parts and not any(part in _NOT_THE_STUDENTS or part.startswith(".") for part in parts):
            students.append(file)
            if len(students) > _MOST_FILES:
                raise TooManyFiles(f"içinde {_MOST_FILES} dosyadan fazlası var")
    return tuple(sorted(students, key=lambda file: file.path))


def _files_in_folder(folder: Path) -> Iterator[HandedInFile]:
    for path in folder.rglob("*"):
        if stat.S_ISREG(path.lstat().st_mode) and path.resolve().is_relative_to(folder.resolve()):
            yield _file(path, PurePosixPath(*(plain(part) or "_" for part in path.relative_to(folder).parts)))


def _file(path: Path, name: PurePosixPath) -> HandedInFile:
    state = path.stat()
    return HandedInFile(name, state.st_size, state.st_mtime, lambda: path.open("rb"))


def _name(info: zipfile.ZipInfo) -> PurePosixPath:
    """A zip of an old Windows has its names in the code page of the country, which Python reads as cp437."""
    name = info.filename
    if not info.flag_bits & _UTF8_NAME and not name.isascii():
        packed = name.encode("cp437", "replace")
        try:
            name = packed.decode("utf-8")
        except UnicodeDecodeError:
            name = packed.decode("cp857", "replace")
    parts = [plain(part) for part in name.replace("\\", "/").split("/")]
    return PurePosixPath(*(part for part in parts if part not in ("", ".", "..")))


def _time(info: zipfile.ZipInfo) -> float:
    try:
        return datetime(*info.date_time).timestamp()
    except (ValueError, OverflowError, OSError):  # a zip may hold any bytes as its date
        return 0.0


@contextmanager
def _unpacked(open_zip: Open, info: zipfile.ZipInfo) -> Iterator[IO[bytes]]:
    with open_zip() as stream, zipfile.ZipFile(stream) as archive, archive.open(info) as unpacked:
        yield unpacked
