"""configure_logging: its options, what it refuses before anything changes, and what a line holds."""

from __future__ import annotations

import io
import json
import logging
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from clients import KEY
from safechat import ChatClientWrapper, configure_logging, log_context
from safechat.log.queue import QueueHandler
from safechat.testing import ScriptedClient

LOGGERS = ("safechat", "test-other")


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    loggers = [logging.getLogger(name) for name in LOGGERS]
    before = [(logger.level, list(logger.handlers)) for logger in loggers]
    yield
    for logger, (level, handlers) in zip(loggers, before, strict=True):
        logger.setLevel(level)
        for handler in [new for new in logger.handlers if new not in handlers]:
            logger.removeHandler(handler)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "chat_api.log"


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def files(path: Path) -> list[str]:
    return sorted(file.name for file in path.parent.iterdir())


def write(count: int, logger: str = "safechat") -> None:
    for number in range(count):
        logging.getLogger(logger).info("event", extra={"number": number})


# The fields that every line begins with.


@pytest.mark.parametrize("as_json", [True, False])
def test_a_context_cannot_overwrite_what_every_line_begins_with(as_json: bool, path: Path) -> None:
    with configure_logging(path, json=as_json), log_context(time="T", event="E", level="L"):
        with ChatClientWrapper(ScriptedClient("ok")) as chat:
            chat.generate("Merhaba")
    if as_json:
        (line,) = lines(path)
        assert (line["event"], line["level"], line["time"][:2]) == ("chat.call", "INFO", "20")
        assert (line["time_"], line["event_"], line["level_"]) == ("T", "E", "L")
    else:
        assert " INFO chat.call " in path.read_text(encoding="utf-8")
        assert "time_=T event_=E level_=L" in path.read_text(encoding="utf-8")


@pytest.mark.parametrize("message", ["event", {"event": "E", "time": "T", "level": "L", "other": 1}])
def test_an_extra_or_a_message_of_another_library_cannot_either(message: object, path: Path) -> None:
    with configure_logging(path, loggers=["test-other"]):
        extra = None if isinstance(message, dict) else {"event": "E", "time": "T", "level": "L"}
        logging.getLogger("test-other").warning(message, extra=extra)
    (line,) = lines(path)
    assert (line["level"], line["time"][:2]) == ("WARNING", "20")
    assert (line["time_"], line["event_"], line["level_"]) == ("T", "E", "L")


def test_extras_are_what_they_were_at_the_time_of_the_event(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = threading.Event()
    format_record = QueueHandler.format
    monkeypatch.setattr(
        QueueHandler, "format", lambda self, record: (held.wait(60), format_record(self, record))[1]
    )
    extra: dict[str, Any] = {"tags": ["a"], "nested": {"items": [1]}, "pair": ([1], "x")}
    message = {"event_name": "x", "values": [1]}
    with configure_logging(path):
        logger = logging.getLogger("safechat")
        logger.info("event", extra=extra)
        logger.info(message)
        logger.info("with %s", extra["tags"])
        extra["tags"].append("b")
        extra["nested"]["items"].append(2)
        extra["pair"][0].append(2)
        message["values"] = []
        held.set()
    first, second, third = lines(path)
    assert (first["tags"], first["nested"], first["pair"]) == (["a"], {"items": [1]}, [[1], "x"])
    assert second["values"] == [1]
    assert third["event"] == "with ['a']"


def test_other_handlers_get_the_extras_unchanged(path: Path) -> None:
    class Keeping(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            kept.append(vars(record)["tags"])

    kept: list[object] = []
    tags = ["a", object()]
    logger, other = logging.getLogger("safechat"), Keeping()
    with configure_logging(path):
        logger.addHandler(other)
        logger.info("event", extra={"tags": tags})
        logger.removeHandler(other)
    assert kept[0] is tags


# When a file is rotated.


@pytest.mark.parametrize("options", [{"max_bytes": 0}, {"backups": 0}, {"max_bytes": 0, "backups": 0}])
def test_without_a_size_or_without_backups_a_file_is_never_rotated(
    options: dict[str, int], path: Path
) -> None:
    with configure_logging(path, **{"max_bytes": 300, "backups": 3, **options}):  # type: ignore[arg-type]
        write(50)
    assert files(path) == ["chat_api.log"]
    assert [line["number"] for line in lines(path)] == list(range(50))


def test_a_line_longer_than_the_limit_does_not_rotate_an_empty_file(path: Path) -> None:
    with configure_logging(path, max_bytes=10, backups=5):
        write(2)
    assert files(path) == ["chat_api.log", "chat_api.log.1"]


@pytest.mark.skipif(not os.path.exists("/dev/stdout"), reason="the system has no /dev/stdout")
@pytest.mark.parametrize("to_a_file", [True, False])
def test_dev_stdout_is_never_rotated(to_a_file: bool, tmp_path: Path) -> None:
    program = """
import logging
from safechat import configure_logging
with configure_logging("/dev/stdout", max_bytes=300):
    for number in range(50):
        logging.getLogger("safechat").info("event", extra={"number": number})
"""
    command = [sys.executable, "-c", program]
    output = tmp_path / "output"
    if to_a_file:
        with output.open("wb") as file:
            subprocess.run(command, check=True, timeout=60, stdout=file)
    else:
        output.write_bytes(subprocess.run(command, check=True, timeout=60, stdout=subprocess.PIPE).stdout)
    assert [line["number"] for line in lines(output)] == list(range(50))


# A log to a stream.


def test_a_log_to_stdout_is_utf8_whatever_the_locale_and_leaves_stdout_open() -> None:
    program = """
import logging, sys
from safechat import configure_logging
print("before", end=" ")
with configure_logging(sys.stdout) as log:
    logging.getLogger("safechat").info("olay", extra={"text": "ğüş"})
print("after", log.path)
"""
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, timeout=60, check=True, capture_output=True
    )
    before, line, after = done.stdout.decode("utf-8").replace("before ", "before\n").splitlines()
    assert (before, json.loads(line)["text"], after) == ("before", "ğüş", "after None")


def test_a_log_may_go_to_any_stream_and_holds_no_key_there() -> None:
    stream = io.StringIO()
    with configure_logging(stream, json=False):
        logging.getLogger("safechat").info("key %s", KEY)
    assert "key [redacted]" in stream.getvalue()


def test_a_stream_that_is_closed_is_reported_once(capfd: pytest.CaptureFixture[str]) -> None:
    stream = io.StringIO()
    stream.close()
    with configure_logging(stream):
        write(3)
    assert capfd.readouterr().err.count("cannot write the log") == 1


# Permissions.


@pytest.mark.skipif(os.name != "posix", reason="permissions are those of POSIX")
def test_a_file_has_its_mode_whatever_the_umask_also_after_a_rotation(path: Path) -> None:
    before = os.umask(0o077)
    try:
        with configure_logging(path, mode=0o640, max_bytes=300, backups=1):
            write(20)
    finally:
        os.umask(before)
    assert {file.stat().st_mode & 0o777 for file in path.parent.iterdir()} == {0o640}
    assert len(files(path)) == 2


@pytest.mark.skipif(os.name != "posix", reason="permissions are those of POSIX")
def test_a_file_that_is_there_keeps_its_mode(path: Path) -> None:
    path.touch(0o604)
    path.chmod(0o604)
    with configure_logging(path):
        write(1)
    assert path.stat().st_mode & 0o777 == 0o604


# What is refused.


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"level": "LOUD"}, ValueError, "LOUD"),
        ({"level": None}, TypeError, "evel"),
        ({"max_bytes": -1}, ValueError, "max_bytes must be at least 0"),
        ({"max_bytes": 1.5}, TypeError, "max_bytes must be an int"),
        ({"backups": -1}, ValueError, "backups must be at least 0"),
        ({"mode": 640}, ValueError, "such as 0o640"),
        ({"mode": "0o640"}, TypeError, "mode must be an int"),
        ({"loggers": "safechat"}, TypeError, "loggers must be a list"),
        ({"path": 7}, TypeError, "path must be a path, or a stream"),
    ],
)
def test_a_wrong_option_is_refused_and_the_log_before_it_goes_on(
    options: dict[str, Any], error: type[Exception], words: str, path: Path
) -> None:
    with configure_logging(path):
        with pytest.raises(error, match=words):
            configure_logging(**{"path": path.with_name("other.log"), **options})
        write(1)
    assert files(path) == ["chat_api.log"]
    assert len(lines(path)) == 1


# A second log.


def test_a_second_log_takes_over_its_loggers_and_leaves_the_others_to_the_first(path: Path) -> None:
    second = path.with_name("second.log")
    with configure_logging(path, loggers=LOGGERS), configure_logging(second, loggers=["safechat"]):
        write(1)
        write(2, "test-other")
    assert (len(lines(path)), len(lines(second))) == (2, 1)


def test_a_log_that_lost_all_its_loggers_has_written_its_records_and_ended(path: Path) -> None:
    first = configure_logging(path)
    write(3)
    with configure_logging(path.with_name("second.log")):
        assert len(lines(path)) == 3
    first.close()
    assert not [thread for thread in threading.enumerate() if thread.name == "safechat-log"]
