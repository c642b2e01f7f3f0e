"""Python programs of a test's own, with the imports that the tests have."""

from __future__ import annotations

import os
import subprocess
import sys


def environment() -> dict[str, str]:
    return {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
        "PYTHONIOENCODING": "utf-8",  # as their output is read
    }


# Python warns every parent with threads that forks (3.12 and later). What is tested is that the child works.
OF_FORKS = "ignore:This process (pid=:DeprecationWarning"


def run_python(script: str) -> str:
    """What `script` prints; it must end well, and write nothing on stderr."""
    done = subprocess.run(
        [sys.executable, "-W", "error::RuntimeWarning", "-W", OF_FORKS, "-c", script],
        capture_output=True, text=True, encoding="utf-8", timeout=100, env=environment(),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert not done.stderr, done.stderr
    return done.stdout
