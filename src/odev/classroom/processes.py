"""What the course tool asks of the operating system about processes, with a row for each platform.

Not here: a graded process and its limits (grading/).
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

if sys.platform == "win32":

    def start_in_background(
        command: Sequence[str], environment: Mapping[str, str], home: Path, output: int
    ) -> subprocess.Popen[bytes]:
        # Without SYSTEMROOT no program of Windows opens a socket.
        folders = dict.fromkeys(("USERPROFILE", "TEMP", "TMP"), str(home))
        return subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=output,
            env={**environment, **folders, "SYSTEMROOT": os.environ["SYSTEMROOT"], "PATH": os.defpath},
            creationflags=subprocess.CREATE_NEW_PROCESS_GROUP,
        )

    def ask_to_end(process: subprocess.Popen[bytes]) -> None:
        pass  # terminate would kill it; Ctrl-C has reached it, and for any other end its owner has patience

    def is_root() -> bool:
        return False

else:

    def start_in_background(
        command: Sequence[str], environment: Mapping[str, str], home: Path, output: int
    ) -> subprocess.Popen[bytes]:
        """Start a command that Ctrl-C in this terminal or notebook does not reach.

        It sees `environment`, `home` as its home and temporary folder, and nothing else of ours. It writes to
        the descriptor `output`; this process holds the other end of its standard input.
        """
        folders = dict.fromkeys(("HOME", "TMPDIR"), str(home))
        return subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=output,
            env={**environment, **folders, "PATH": os.defpath},
            start_new_session=True,
        )

    def ask_to_end(process: subprocess.Popen[bytes]) -> None:
        """Ask a process to end in its own way. On Windows nobody can: there Ctrl-C does it."""
        process.terminate()

    def is_root() -> bool:
        """Whether this user may do everything; Windows has no such user."""
        return os.getuid() == 0
