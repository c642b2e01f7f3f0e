"""Where records are lost, only those are, and a record `log.lost` says how many."""

from __future__ import annotations

import errno
import json
import logging
import os
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from processes import environment
from safechat import configure_logging
from safechat.log import queue
from safechat.log.queue import QueueHandler
from safechat.log.rotation import RotatingFile

LINE = b"x" * 99 + b"\n"


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    logger = logging.getLogger("safechat")
    level = logger.level
    yield
    logger.setLevel(level)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "chat.log"


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def losses(path: Path) -> list[tuple[str, int]]:
    return [(line["reason"], line["records"]) for line in lines(path) if line["event"] == "log.lost"]


class Unreadable(dict[str, int]):
    """Its items cannot be had."""

    def items(self) -> Any:
        raise ValueError("no items")


def nested() -> list[object]:
    inner: list[object] = []
    inner.append(inner)
    return inner


@pytest.mark.parametrize("value", [nested, Unreadable])
def test_a_record_that_cannot_be_formatted_is_lost_alone(value: Callable[[], object], path: Path) -> None:
    with configure_logging(path):
        for extra in ({"number": 1}, {"value": value()}, {"number": 2}):
            logging.getLogger("safechat").info("event", extra=extra)
    assert [line["number"] for line in lines(path) if "number" in line] == [1, 2]
    assert losses(path) == [("not_formatted", 1)]


def test_a_formatter_that_fails_loses_that_record_alone(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    formatted = QueueHandler.format

    def failing(self: QueueHandler, record: logging.LogRecord) -> str:
        if vars(record).get("number") == 2:
            raise ValueError("cannot be formatted")
        return formatted(self, record)

    monkeypatch.setattr(QueueHandler, "format", failing)
    with configure_logging(path):
        for number in (1, 2, 3):
            logging.getLogger("safechat").info("event", extra={"number": number})
    assert [line["number"] for line in lines(path) if "number" in line] == [1, 3]
    assert losses(path) == [("not_formatted", 1)]


def test_a_queue_that_overflows_counts_what_it_loses(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queue, "MOST_QUEUED", 10)
    held = threading.Event()
    append = RotatingFile.append
    monkeypatch.setattr(RotatingFile, "append", lambda self, lines: (held.wait(60), append(self, lines))[1])
    with configure_logging(path):
        for _ in range(100):
            logging.getLogger("safechat").info("event")
        held.set()
    written = [line for line in lines(path) if line["event"] == "event"]
    ((reason, count),) = losses(path)
    assert (reason, count + len(written)) == ("queue_full", 100)


def test_after_a_full_disk_the_log_says_how_many_are_missing(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = threading.Event()
    tried = threading.Event()
    write = os.write

    def writing(descriptor: int, data: bytes) -> int:
        if full.is_set():
            tried.set()
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(descriptor, data)

    monkeypatch.setattr(os, "write", writing)
    full.set()
    with configure_logging(path):
        for _ in range(3):
            logging.getLogger("safechat").info("lost")
        assert tried.wait(60)
        full.clear()
        logging.getLogger("safechat").info("event")
    written = sum(line["event"] == "lost" for line in lines(path))
    assert losses(path) == [("not_written", 3 - written)]
    assert lines(path)[-1]["event"] == "event"


def short(monkeypatch: pytest.MonkeyPatch, room: int) -> Callable[[int], None]:
    """os.write has room for that many bytes, and then for none. Call the result for more room."""
    left = room
    write = os.write

    def writing(descriptor: int, data: bytes) -> int:
        nonlocal left
        if not left:
            raise OSError(errno.ENOSPC, "No space left on device")
        written = write(descriptor, data[:left])
        left -= written
        return written

    def more(bytes: int) -> None:
        nonlocal left
        left = bytes

    monkeypatch.setattr(os, "write", writing)
    return more


def test_a_short_write_is_gone_on_with(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, data: write(descriptor, data[:7]))
    RotatingFile(path, max_bytes=0, backups=0, mode=0o600).append(deque([LINE] * 3))
    assert path.read_bytes() == LINE * 3


def test_a_disk_that_fills_up_within_a_line_leaves_whole_lines(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    short(monkeypatch, 150)
    left = deque([LINE] * 3)
    with pytest.raises(OSError, match="No space left"):
        RotatingFile(path, max_bytes=0, backups=0, mode=0o600).append(left)
    assert path.read_bytes() == LINE
    assert len(left) == 2


def test_a_torn_line_that_cannot_be_cut_off_costs_no_other(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(descriptor: int, length: int) -> None:
        raise OSError(errno.EINVAL, "Invalid argument")

    monkeypatch.setattr(os, "ftruncate", refuse)
    more = short(monkeypatch, 150)
    file = RotatingFile(path, max_bytes=0, backups=0, mode=0o600)
    with pytest.raises(OSError, match="No space left"):
        file.append(deque([LINE] * 3))
    more(1000)
    file.append(deque([LINE]))
    assert path.read_bytes() == LINE + LINE[:50] + b"\n" + LINE


@pytest.mark.skipif(sys.platform == "win32", reason="the limit on a file's size is POSIX's")
def test_at_a_limit_on_the_size_of_files_lines_are_whole_and_the_rest_is_reported(path: Path) -> None:
    program = f"""
import logging, resource
from safechat import configure_logging
resource.setrlimit(resource.RLIMIT_FSIZE, (5000, 5000))
with configure_logging({str(path)!r}):
    for number in range(200):
        logging.getLogger("safechat").info("event", extra={{"number": number}})
"""
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=60,
        env=environment(),
    )
    written = [line["number"] for line in lines(path)]
    assert written == list(range(len(written)))
    assert len(written) > 10
    assert f"{200 - len(written)} records of the log" in done.stderr
