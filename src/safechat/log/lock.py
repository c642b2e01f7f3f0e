"""The operating system's lock on an open file. It ends with its process, however that ends.

Not here: how each system locks (runtime/files.py), what is done under the lock (rotation.py).
"""

from __future__ import annotations

import time
from contextlib import suppress

from safechat.runtime import files

# Seconds between two tries to get the lock.
_AGAIN = 0.002


def lock(descriptor: int, *, patience: float) -> bool:
    """Lock an open file, until `unlock` or until it is closed. Waits `patience` seconds at most.

    False where another process held the lock for all that time. A file system that knows no locks is taken
    for one on which nobody else writes.
    """
    until = time.monotonic() + patience
    while True:
        try:
            if files.try_lock(descriptor):
                return True
        except OSError:
            return True
        if time.monotonic() > until:
            return False
        time.sleep(_AGAIN)


def unlock(descriptor: int) -> None:
    """Give the lock back."""
    with suppress(OSError):  # a file system that knows no locks
        files.unlock(descriptor)
