"""The operating system's lock on an open file. It ends with its process, however that ends.

Not here: what is done under the lock (rotation.py).
"""

from __future__ import annotations

import sys
import time
from contextlib import suppress

# Seconds between two tries to get the lock.
_AGAIN = 0.002

if sys.platform == "win32":
    import msvcrt
    import os

    # Windows also forbids others to write to what is locked. So a byte is locked that no file has.
    _FAR = 2**62

    def _lock(descriptor: int) -> None:
        os.lseek(descriptor, _FAR, os.SEEK_SET)
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)

    def _unlock(descriptor: int) -> None:
        os.lseek(descriptor, _FAR, os.SEEK_SET)
        msvcrt.locking(descriptor, msvcrt.LK_UNLCK, 1)
else:
    import fcntl

    def _lock(descriptor: int) -> None:
        # Of the open file and not of the process: two logs of one process exclude each other, too.
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def _unlock(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_UN)


def lock(descriptor: int, *, patience: float) -> bool:
    """Lock an open file, until `unlock` or until it is closed. Waits `patience` seconds at most.

    False where another process held the lock for all that time. A file system that knows no locks is taken
    for one on which nobody else writes.
    """
    until = time.monotonic() + patience
    while True:
        try:
            _lock(descriptor)
        except (BlockingIOError, PermissionError):
            if time.monotonic() > until:
                return False
            time.sleep(_AGAIN)
        except OSError:
            return True
        else:
            return True


def unlock(descriptor: int) -> None:
    """Give the lock back."""
    with suppress(OSError):  # a file system that knows no locks
        _unlock(descriptor)
