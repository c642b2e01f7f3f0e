"""Processes of the classroom on each platform; Windows' own calls are replaced."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from odev.classroom import processes
from windows import on_windows

HOME = "import os, pathlib, tempfile; print(pathlib.Path.home(), tempfile.gettempdir(), *sorted(os.environ))"


class Started:
    """subprocess.Popen: what was asked of it."""

    def __init__(self, command: list[str], **options: Any) -> None:
        self.command = command
        self.options = options
        self.was_killed = False

    def terminate(self) -> None:
        self.was_killed = True  # on Windows that is what it does


@pytest.fixture
def windows(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0x200, raising=False)
    monkeypatch.setattr(subprocess, "Popen", Started)
    monkeypatch.setenv("SYSTEMROOT", r"C:\Windows")
    return on_windows(processes, monkeypatch)


def test_ctrl_c_does_not_reach_a_background_process_of_windows(windows: Any, tmp_path: Path) -> None:
    started = windows.start_in_background(["bao"], {}, tmp_path, 1)
    assert started.options["creationflags"] == 0x200
    assert "start_new_session" not in started.options


def test_a_background_process_of_windows_can_open_sockets_and_has_its_own_home(
    windows: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-a-student-0000")
    started = windows.start_in_background(["bao"], {"TOKEN": "t"}, tmp_path, 1)
    assert started.options["env"] == {
        "TOKEN": "t",
        "PATH": os.defpath,
        "SYSTEMROOT": r"C:\Windows",
        "USERPROFILE": str(tmp_path),
        "TEMP": str(tmp_path),
        "TMP": str(tmp_path),
    }


def test_asking_to_end_kills_nothing_on_windows(windows: Any) -> None:
    started = Started([])
    windows.ask_to_end(started)
    assert not started.was_killed


def test_windows_has_no_root(windows: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "getuid", raising=False)
    assert not windows.is_root()


def test_a_background_process_sees_its_own_home_and_nothing_of_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-a-student-0000")
    home, log = tmp_path / "ev", tmp_path / "log"
    home.mkdir()
    with log.open("wb") as output:
        process = processes.start_in_background([sys.executable, "-c", HOME], {}, home, output.fileno())
        process.communicate(timeout=60)
    at_home, temporary, *names = log.read_text(encoding="utf-8").split()
    assert (at_home, temporary) == (str(home), str(home))
    assert "OPENAI_API_KEY" not in names
