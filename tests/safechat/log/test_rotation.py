"""RotatingFile: what a rotation does that fails, and what many processes do to one file."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import deque
from pathlib import Path

import pytest

from processes import environment
from safechat.log import rotation
from safechat.log.lock import lock, unlock
from safechat.log.rotation import RotatingFile

LINE = b"x" * 99 + b"\n"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "chat.log"


def opened(path: Path, backups: int = 3) -> RotatingFile:
    return RotatingFile(path, max_bytes=300, backups=backups, mode=0o600)


def append(file: RotatingFile, count: int, line: bytes = LINE) -> None:
    for _ in range(count):
        file.append(deque([line]))


def fail(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """From now on renaming the file `name` fails, as in a folder that is not writable."""
    replace = os.replace

    def failing(source: str | Path, target: str | Path) -> None:
        if os.path.basename(source) == name:
            raise PermissionError(13, "Permission denied", str(source))
        replace(source, target)

    monkeypatch.setattr(os, "replace", failing)


def test_a_rotation_that_fails_goes_on_writing_and_says_so_once(
    path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    fail(monkeypatch, "chat.log")
    append(opened(path), 10)
    assert path.read_bytes() == LINE * 10
    assert capfd.readouterr().err.count("cannot rotate the log") == 1


@pytest.mark.parametrize("backups", [1, 3])
def test_a_folder_in_the_place_of_a_backup_is_left_alone(
    path: Path, backups: int, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = path.with_name("chat.log.1")
    folder.mkdir()
    append(opened(path, backups), 10)
    assert path.read_bytes() == LINE * 10
    assert sorted(path.parent.iterdir()) == [path, folder]
    assert capfd.readouterr().err.count("cannot rotate the log") == 1


def test_a_rotation_that_fails_half_way_loses_no_backup(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = opened(path)
    append(file, 9)
    fail(monkeypatch, "chat.log")
    append(file, 20)
    kept = [candidate.read_bytes() for candidate in sorted(path.parent.iterdir())]
    assert kept == [LINE * 23, LINE * 3, LINE * 3]


def test_when_the_folder_can_be_written_again_the_file_is_rotated(path: Path) -> None:
    file = opened(path)
    with pytest.MonkeyPatch.context() as failing:
        fail(failing, "chat.log")
        append(file, 5)
    append(file, 1)
    assert path.with_name("chat.log.1").read_bytes() == LINE * 5
    assert path.read_bytes() == LINE


def test_the_size_is_looked_at_again_under_the_lock(path: Path) -> None:
    first, second = opened(path), opened(path)
    append(first, 2)
    append(second, 1)
    append(first, 1)  # rotates
    append(second, 1)
    assert path.read_bytes() == LINE * 2
    assert sorted(file.name for file in path.parent.iterdir()) == ["chat.log", "chat.log.1"]


def test_while_another_process_holds_the_lock_lines_are_written_and_nothing_is_rotated(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rotation, "PATIENCE", 0.01)
    path.write_bytes(LINE * 3)
    with path.open("ab") as other:
        assert lock(other.fileno(), patience=0)
        append(opened(path), 1)
        unlock(other.fileno())
    assert path.read_bytes() == LINE * 4


def test_the_lock_ends_with_its_process(path: Path) -> None:
    program = f"""
import os, signal
from safechat.log.lock import lock
descriptor = os.open({str(path)!r}, os.O_CREAT | os.O_WRONLY)
assert lock(descriptor, patience=0)
os.kill(os.getpid(), 9)
"""
    assert subprocess.run([sys.executable, "-c", program], timeout=60, env=environment()).returncode != 0
    with path.open("ab") as file:
        assert lock(file.fileno(), patience=0)


def test_eight_processes_share_a_file_without_a_torn_or_lost_line(path: Path) -> None:
    program = f"""
import logging, sys
from safechat import configure_logging
with configure_logging({str(path)!r}, max_bytes=100_000, backups=100):
    for number in range(1000):
        fields = {{"who": sys.argv[1], "number": number, "text": "ğ" * (number % 200)}}
        logging.getLogger("safechat").info("event", extra=fields)
"""
    command = [sys.executable, "-c", program]
    writers = [subprocess.Popen([*command, who], env=environment()) for who in "abcdefgh"]
    assert [writer.wait(100) for writer in writers] == [0] * 8
    files = list(path.parent.iterdir())
    seen = [
        (line["who"], line["number"])
        for file in files
        for line in map(json.loads, file.read_text(encoding="utf-8").splitlines())
    ]
    assert sorted(seen) == [(who, number) for who in "abcdefgh" for number in range(1000)]
    total = sum(file.stat().st_size for file in files)
    assert len(files) <= total // 90_000 + 1, "no full file was rotated twice"
