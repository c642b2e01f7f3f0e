"""The fork server's own side: it collects the steps' tests, and then forks for each run.

`python -m odev.grading.forks NUMBER`, the number of its end of a socket; only fork_server.py starts
it. Collecting imports all libraries. Then it forgets the package and the tests, so that
each fork imports them as they are by then; it never runs a test itself. It is the parent
of whatever a fork leaves behind, and nothing of that lives when it says that the fork has
ended. Not here: what a fork runs (inside.py).
"""

from __future__ import annotations

import gc
import json
import os
import socket
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

import psutil
import pytest

from odev.grading import inside
from odev.grading.process_group import adopt_orphans, kill

assert sys.platform == "linux"

_LONGEST = 200_000  # bytes of a message


def main(messages: socket.socket) -> None:
    """Serve until the grader ends."""
    adopt_orphans()
    _preload(**json.loads(messages.recv(_LONGEST).decode("utf-8", "surrogateescape")))
    messages.send(b"ready")
    while True:
        message, descriptors, _, _ = socket.recv_fds(messages, _LONGEST, 1)
        if not message:
            return
        parent = os.getpid()
        child = os.fork()
        if child == 0:
            messages.close()
            _run(json.loads(message.decode("utf-8", "surrogateescape")), descriptors[0], parent)
        os.close(descriptors[0])
        messages.send(str(child).encode())
        _, status = os.waitpid(child, 0)
        _end_descendants()
        messages.send(str(os.waitstatus_to_exitcode(status)).encode())


def _preload(collect: list[str], package: str, tests: str) -> None:
    """Import what the package and the tests import, but keep neither of them."""
    sys.dont_write_bytecode = False  # so that pytest keeps the tests as it has rewritten them
    pytest.main(collect)
    sys.dont_write_bytecode = True
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None)
        if file and any(Path(file).is_relative_to(folder) for folder in (package, tests)):
            del sys.modules[name]
    gc.collect()
    gc.freeze()  # a collection in a fork looks at the fork's own objects alone


def _run(request: Mapping[str, Any], output: int, parent: int) -> NoReturn:
    """In the fork: become what a new process would be, and end as it would."""
    os.setsid()
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.close(output)
    os.chdir(request["work"])
    os.environ.update(request["environment"])
    tempfile.tempdir = None  # it is that of the environment
    inside.main(Path(request["job"]), parent)


def _end_descendants() -> None:
    """End what the fork has left behind, until nothing is left."""
    while True:
        try:
            pid, _ = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            kill(psutil.Process().children(recursive=True))
            time.sleep(0.005)


if __name__ == "__main__":
    main(socket.socket(fileno=int(sys.argv[1])))
