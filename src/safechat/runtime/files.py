"""What POSIX and Windows do differently with an open file: whether others may rename it, and its lock.

One function each, with a row for each platform. Not here: how long to wait for a lock (log/lock.py), what is
written (log/rotation.py).
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

if sys.platform == "win32":
    import ctypes
    import msvcrt
    from ctypes import wintypes

    _READ, _WRITE = 0x80000000, 0x40000000  # GENERIC_READ, GENERIC_WRITE
    _SHARE_ALL = 1 | 2 | 4  # FILE_SHARE_READ, _WRITE, _DELETE; a rename needs the last, which os.open lacks
    _CREATE_NEW, _OPEN_EXISTING, _OPEN_ALWAYS = 1, 3, 4
    _LOCK_VIOLATION = 33
    # Windows also forbids others to read and write what is locked. So a byte is locked that no file has. The
    # lock of msvcrt cannot do that: it does not count beyond 2 GiB.
    _FAR = (0, 0x40000000)  # 2**62, the low half first

    _kernel32 = ctypes.WinDLL("kernel32", use_last_error=True)
    _kernel32.CreateFileW.restype = wintypes.HANDLE
    _kernel32.CreateFileW.argtypes = (
        wintypes.LPCWSTR, wintypes.DWORD, wintypes.DWORD, ctypes.c_void_p,
        wintypes.DWORD, wintypes.DWORD, wintypes.HANDLE,
    )  # fmt: skip
    for _name in ("LockFile", "UnlockFile"):
        getattr(_kernel32, _name).argtypes = (wintypes.HANDLE, *[wintypes.DWORD] * 4)

    def open_shared(path: str | Path, flags: int, mode: int = 0o666) -> int:
        access = {os.O_RDONLY: _READ, os.O_WRONLY: _WRITE}[flags & (os.O_WRONLY | os.O_RDWR)]
        how = _OPEN_ALWAYS if flags & os.O_CREAT else _OPEN_EXISTING
        how = _CREATE_NEW if flags & os.O_EXCL else how
        handle = _kernel32.CreateFileW(os.fspath(path), access, _SHARE_ALL, None, how, 0, None)
        if handle == wintypes.HANDLE(-1).value:
            raise ctypes.WinError(ctypes.get_last_error())
        return msvcrt.open_osfhandle(handle, flags & os.O_APPEND)

    def set_permissions(descriptor: int, mode: int) -> None:
        pass

    def sync_folder(folder: Path) -> None:
        pass

    def try_lock(descriptor: int) -> bool:
        if _kernel32.LockFile(msvcrt.get_osfhandle(descriptor), *_FAR, 1, 0):
            return True
        if (error := ctypes.get_last_error()) == _LOCK_VIOLATION:
            return False
        raise ctypes.WinError(error)

    def unlock(descriptor: int) -> None:
        if not _kernel32.UnlockFile(msvcrt.get_osfhandle(descriptor), *_FAR, 1, 0):
            raise ctypes.WinError(ctypes.get_last_error())

else:
    import fcntl

    def open_shared(path: str | Path, flags: int, mode: int = 0o666) -> int:
        """As `os.open`, for a file that another process, or this one, may rename or remove while it is open.

        An `opener` for `open`, too. On Windows `mode` has no meaning.
        """
        return os.open(path, flags, mode)

    def set_permissions(descriptor: int, mode: int) -> None:
        """Exactly these permissions, whatever the umask. Windows has none of this kind."""
        os.fchmod(descriptor, mode)

    def sync_folder(folder: Path) -> None:
        """Put on the disk which files there are in it. Windows does so by itself."""
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def try_lock(descriptor: int) -> bool:
        """Lock an open file, without waiting, until `unlock` or until it is closed.

        False where it is locked already, by another process or by this one, which has opened it twice.
        OSError for a file system that knows no locks.
        """
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError):  # the second one on some file systems
            return False
        return True

    def unlock(descriptor: int) -> None:
        """Give the lock back."""
        fcntl.flock(descriptor, fcntl.LOCK_UN)
