"""Runs a command for exactly as long as the process that asked for it lives.

    python guard.py COMMAND ARGUMENT…

Standard input is the lifeline: it ends when the owner closes it, exits, crashes
or is killed, and then the command is ended too. So a classroom's server never
outlives its notebook, on any system. Only the standard library: it starts in
a few milliseconds.
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
