"""JupyterLab with the classroom running, until Ctrl-C.

It opens lesson 00, and shows the whole course: the tests of the steps can be read there.
All notebooks share one classroom, which they find in their environment. Everything
listens on this machine's loopback only and ends with this process. Not here: the
servers (classroom/).
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from odev.classroom.processes import ask_to_end, is_root
from odev.classroom.room import Classroom
from odev.classroom.services import without_services
from odev.course.course import Course
from odev.course.files import temporary_folder

_PATIENCE = 15  # seconds for JupyterLab to end its kernels


def lab(course: Course, *, port: int = 8888, browser: bool = True) -> int:
    """Run until JupyterLab ends or Ctrl-C; its exit code, 0 after Ctrl-C.

    Where the port is in use, JupyterLab takes the next one that is free.
    """
    if port and _is_in_use(port):
        print(
            f"{port} numaralı port dolu (belki başka bir lab açık). Boş olan bir sonraki port kullanılacak."
        )
    first = next((f"/lab/tree/lessons/{path.name}" for path in course.notebooks()), "/lab")
    command = [
        *(sys.executable, "-m", "jupyterlab", "--ServerApp.ip=127.0.0.1", f"--ServerApp.port={port}"),
        *(f"--ServerApp.root_dir={course.root}", "--ServerApp.answer_yes=True"),
        f"--LabApp.default_url={first}",
        # JupyterLab must not use the network: no news, no search for updates.
        *("--LabApp.news_url=None", "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate"),
        *([] if browser else ["--ServerApp.open_browser=False"]),
        *(["--allow-root"] if is_root() else []),  # common in a container; it listens on loopback only
    ]
    # Its own classroom, also where it is started in a terminal of another lab, which may end first.
    with (
        temporary_folder() as folder,
        Classroom(attach=False) as room,
        _terminated_like_interrupted(),
    ):
        environment = {**without_services(os.environ), **room.environment(), **_settings(folder)}
        # A layout of its own: the last one may show files of another copy, or of another lab.
        command.append(f"--LabApp.workspaces_dir={folder / 'workspaces'}")
        process = subprocess.Popen(command, env=environment)
        try:
            return process.wait()
        except KeyboardInterrupt:
            return 0
        finally:
            _end(process)


def _settings(folder: Path) -> dict[str, str]:
    """The variable that makes JupyterLab read these settings too: it does not ask whether to show news."""
    settings = folder / "labconfig" / "page_config.json"
    settings.parent.mkdir()
    disabled = {"disabledExtensions": {"@jupyterlab/apputils-extension:announcements": True}}
    settings.write_text(json.dumps(disabled), encoding="utf-8")
    paths = [str(folder), *filter(None, [os.environ.get("JUPYTER_CONFIG_PATH")])]
    return {"JUPYTER_CONFIG_PATH": os.pathsep.join(paths)}


def _is_in_use(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _end(process: subprocess.Popen[bytes]) -> None:
    """End JupyterLab. Ctrl-C in a terminal has reached it already; other ends have not."""
    if process.poll() is None:
        ask_to_end(process)
    try:
        process.wait(_PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


@contextmanager
def _terminated_like_interrupted() -> Iterator[None]:
    """Inside, SIGTERM raises KeyboardInterrupt as Ctrl-C does, so that the servers end."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
