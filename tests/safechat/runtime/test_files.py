"""Files that others rename and lock meanwhile; Windows' calls are replaced by some that keep its rules."""

from __future__ import annotations

import ctypes
import errno
import functools
import os
import sys
from collections import deque
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from safechat.cli import lines
from safechat.log import rotation
from safechat.log.lock import lock, unlock
from safechat.log.rotation import RotatingFile
from safechat.runtime import files
from windows import on_windows

GENERIC_READ, GENERIC_WRITE = 0x80000000, 0x40000000
FILE_SHARE_DELETE = 4
CREATE_NEW, OPEN_EXISTING, OPEN_ALWAYS = 1, 3, 4
FILE_EXISTS, FILE_NOT_FOUND, LOCK_VIOLATION, INVALID_FUNCTION = 80, 2, 33, 1
LINE = b"x" * 99 + b"\n"

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="test_rotation.py meets the real calls there")


class Kernel32:
    """The calls of kernel32 on files. A handle is a descriptor of this system, plus 1000."""

    def __init__(self) -> None:
        self.error = 0
        self.shared: dict[int, int] = {}  # by descriptor, what it shares
        self.locked: dict[int, tuple[int, ...]] = {}  # by file, the handle and the bytes
        self.knows_locks = True
        self.CreateFileW = _function(self._create)
        self.LockFile = _function(self._lock)
        self.UnlockFile = _function(self._unlock)
        self._replace = os.replace

    def _create(
        self, path: str, access: int, share: int, security: None, how: int, attributes: int, template: None
    ) -> int | None:
        there = os.path.exists(path)
        if there is (how == CREATE_NEW) and how != OPEN_ALWAYS:
            self.error = FILE_EXISTS if there else FILE_NOT_FOUND
            return ctypes.c_void_p(-1).value
        flags = {GENERIC_READ: os.O_RDONLY, GENERIC_WRITE: os.O_WRONLY | os.O_CREAT | os.O_APPEND}[access]
        descriptor = os.open(path, flags, 0o666)
        self.shared[descriptor] = share
        return descriptor + 1000

    def _lock(self, handle: int, *region: int) -> bool:
        holder = self.locked.setdefault(_inode(handle - 1000), (handle, *region))
        self.error = LOCK_VIOLATION if self.knows_locks else INVALID_FUNCTION
        return self.knows_locks and holder == (handle, *region)

    def _unlock(self, handle: int, *region: int) -> bool:
        return self.locked.pop(_inode(handle - 1000), None) == (handle, *region)

    def replace(self, source: str | Path, target: str | Path) -> None:
        """As os.replace on Windows: it renames no file that is open, unless all who have it open allow it."""
        for descriptor, share in self.shared.items():
            if not share & FILE_SHARE_DELETE and _inode(descriptor) == os.stat(source).st_ino:
                raise PermissionError(errno.EACCES, "used by another process", str(source))
        self._replace(source, target)


def _function(call: Any) -> Any:
    """`call` as ctypes has it: with attributes, which a method cannot have."""
    return functools.partial(call)


def _inode(descriptor: int) -> int:
    """0 for one that is closed."""
    try:
        return os.fstat(descriptor).st_ino
    except OSError:
        return 0


@pytest.fixture
def kernel32(monkeypatch: pytest.MonkeyPatch) -> Kernel32:
    """The log's files as on Windows."""
    kernel = Kernel32()

    def error_of(code: int) -> OSError:
        return {FILE_EXISTS: FileExistsError, FILE_NOT_FOUND: FileNotFoundError}.get(code, OSError)(code)

    monkeypatch.setattr(os, "replace", kernel.replace)
    monkeypatch.setattr(ctypes, "WinDLL", lambda name, use_last_error: kernel, raising=False)
    monkeypatch.setattr(ctypes, "get_last_error", lambda: kernel.error, raising=False)
    monkeypatch.setattr(ctypes, "WinError", error_of, raising=False)
    msvcrt: Any = SimpleNamespace(
        open_osfhandle=lambda handle, flags: handle - 1000, get_osfhandle=lambda descriptor: descriptor + 1000
    )
    windows = on_windows(files, monkeypatch, msvcrt=msvcrt, fcntl=None)
    for name in ("open_shared", "set_permissions", "try_lock", "unlock"):
        monkeypatch.setattr(files, name, getattr(windows, name))
    monkeypatch.setattr(rotation, "open_shared", windows.open_shared)
    monkeypatch.setattr(rotation, "set_permissions", windows.set_permissions)
    monkeypatch.setattr(lines, "open_shared", windows.open_shared)
    return kernel


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "günlük.log"


def opened(path: Path) -> RotatingFile:
    return RotatingFile(path, max_bytes=300, backups=3, mode=0o600)


def append(file: RotatingFile, count: int) -> None:
    for _ in range(count):
        file.append(deque([LINE]))


def test_a_log_that_two_have_open_is_rotated(kernel32: Kernel32, path: Path) -> None:
    first, second = opened(path), opened(path)
    append(first, 2)
    append(second, 2)
    append(first, 1)
    assert path.with_name("günlük.log.1").read_bytes() == LINE * 3
    assert path.read_bytes() == LINE * 2


def test_a_log_is_rotated_while_it_is_read(kernel32: Kernel32, path: Path) -> None:
    file = opened(path)
    append(file, 3)
    followed = lines.follow_lines(path, every=0)
    assert next(followed) == LINE.decode()
    assert len(kernel32.shared) == 2, "the reader asked Windows, too"
    append(file, 1)
    seen = [line for line, _ in zip(followed, range(4), strict=False) if line is not None]
    assert seen == [LINE.decode()] * 3
    assert path.with_name("günlük.log.1").read_bytes() == LINE * 3


def test_a_file_that_somebody_opened_without_sharing_is_not_rotated(
    kernel32: Kernel32, path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    file = opened(path)
    append(file, 3)
    editor = os.open(path, os.O_RDONLY)
    kernel32.shared[editor] = 0
    append(file, 2)
    os.close(editor)
    append(file, 1)
    assert path.with_name("günlük.log.1").read_bytes() == LINE * 5
    assert path.read_bytes() == LINE
    assert capfd.readouterr().err.count("cannot rotate the log") == 1


def test_the_lock_excludes_another_that_has_the_file_open(kernel32: Kernel32, path: Path) -> None:
    first, second = (files.open_shared(path, os.O_WRONLY | os.O_CREAT) for _ in range(2))
    assert lock(first, patience=0)
    assert not lock(second, patience=0)
    unlock(first)
    assert lock(second, patience=0)
    for descriptor in (first, second):
        os.close(descriptor)


def test_the_lock_is_on_a_byte_that_no_file_has(kernel32: Kernel32, path: Path) -> None:
    with open(path, "wb", opener=files.open_shared) as file:
        assert lock(file.fileno(), patience=0)
        ((_, low, high, *_),) = kernel32.locked.values()
    assert (high << 32) + low == 2**62


def test_a_file_system_without_locks_is_written_to_all_the_same(kernel32: Kernel32, path: Path) -> None:
    kernel32.knows_locks = False
    append(opened(path), 4)
    assert path.read_bytes() == LINE
    assert path.with_name("günlük.log.1").read_bytes() == LINE * 3


def test_a_log_that_is_not_there_is_not_made_by_its_reader(kernel32: Kernel32, path: Path) -> None:
    assert next(lines.follow_lines(path)) is None
    assert not path.exists()
