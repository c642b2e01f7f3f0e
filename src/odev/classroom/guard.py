"""Runs a command, and ends it when the process that started the guard ends.

    python guard.py COMMAND ARGUMENT…

The owner holds the other end of standard input. It closes when the owner closes it,
exits, crashes or is killed; then the guard ends the command. So a classroom's server
never runs longer than its notebook, on any system. It imports the standard library
only, to start in a few milliseconds.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import threading

_GRACE = 5.0  # seconds between the request to end and the kill


def main() -> int:
    """The exit status of the command."""
    child = subprocess.Popen(sys.argv[1:], stdin=subprocess.DEVNULL)
    ended = threading.Event()

    def end() -> None:
        child.terminate()
        if not ended.wait(_GRACE):
            child.kill()

    def watch() -> None:
        sys.stdin.buffer.read()
        end()

    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=end).start())
    threading.Thread(target=watch, daemon=True).start()
    status = child.wait()
    ended.set()
    return status


if __name__ == "__main__":
    sys.exit(main())
