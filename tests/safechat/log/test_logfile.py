"""The log file: whole lines, no secret, and nothing that the disk does harms a call."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import openai
import pytest
from hypothesis import given
from hypothesis import strategies as st

import safechat.redact as redaction
from clients import KEY
from generated import around, forget_keys, literal, many, shaped
from safechat import ChatClientWrapper, configure_logging
from safechat.call import pool
from safechat.log.file import LogFile
from safechat.log.format import JsonLines, TextLines
from safechat.log.queue import QueueHandler, snapshot
from safechat.redact import redact, remember
from safechat.testing import ScriptedClient
from wire import completion, http, wire


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "logs" / "chat_api.log"


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    logger = logging.getLogger("safechat")
    level, handlers = logger.level, list(logger.handlers)
    yield
    logger.setLevel(level)
    for handler in [new for new in logger.handlers if new not in handlers]:
        logger.removeHandler(handler)


@pytest.fixture(autouse=True)
def _keys_as_before() -> Iterator[None]:
    """Keys that these tests make up are forgotten: among them are words that other texts hold."""
    remembered, literals = dict(redaction._remembered), redaction._literals
    yield
    redaction._remembered.clear()
    redaction._remembered.update(remembered)
    redaction._literals = literals


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def test_a_call_is_a_line_of_json(path: Path) -> None:
    with configure_logging(path), ChatClientWrapper(ScriptedClient("ok")) as chat:
        chat.generate("Merhaba")
    (line,) = lines(path)
    assert (line["event"], line["level"], line["outcome"]) == ("chat.call", "INFO", "ok")
    assert line["time"].endswith("Z")
    assert list(line)[:3] == ["time", "level", "event"]
    assert path.stat().st_mode & 0o077 == 0, "for its owner alone"


def test_lines_of_text_are_for_people(path: Path) -> None:
    with configure_logging(path, json=False), ChatClientWrapper(ScriptedClient("ok")) as chat:
        chat.generate("Merhaba")
    assert "INFO chat.call call_id=" in path.read_text(encoding="utf-8")


def test_the_level_is_kept(path: Path) -> None:
    with configure_logging(path, "ERROR"), ChatClientWrapper(ScriptedClient("ok")) as chat:
        chat.generate("Merhaba")
    assert not path.exists()


def test_configuring_twice_writes_each_record_once(path: Path) -> None:
    first = configure_logging(path)
    with configure_logging(path), ChatClientWrapper(ScriptedClient("ok")) as chat:
        chat.generate("Merhaba")
    first.close()
    assert len(lines(path)) == 1


def test_a_program_that_just_ends_has_written_all(path: Path) -> None:
    script = f"""
import safechat.redact as redaction
from safechat import ChatClientWrapper, configure_logging
from safechat.testing import ScriptedClient
configure_logging({str(path)!r})
ChatClientWrapper(ScriptedClient("ok")).generate("Merhaba")
"""
    subprocess.run([sys.executable, "-c", script], check=True)
    assert len(lines(path)) == 1


def test_the_key_is_in_no_debug_log_of_the_libraries_below(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool, "find_spec", lambda _: None)  # aiohttp logs no headers
    names = ("safechat", "openai", "httpx2", "httpcore2", "hvac", "urllib3")
    body = json.dumps(completion()).encode()
    with wire(lambda peer: peer.say(http(body))) as server, configure_logging(path, "DEBUG", loggers=names):
        client = openai.AsyncOpenAI(
            api_key=KEY, base_url=server.base_url, default_headers={"x-copy-of-key": KEY}
        )
        with ChatClientWrapper(client) as chat:
            chat.generate("Merhaba")
        logging.getLogger("openai").debug("headers: %s", {"Authorization": f"Bearer {KEY}"})
    text = path.read_text(encoding="utf-8")
    assert KEY not in text
    events = [line["event"] for line in lines(path)]
    assert any("send_request_headers" in event for event in events), (
        "the libraries below did log, headers too"
    )


def test_arguments_that_do_not_fit_are_not_printed(
    path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging.getLogger("safechat"), "propagate", False)  # pytest's own handler complains
    with configure_logging(path):
        logging.getLogger("safechat").error("%d attempts with %s", "three")
        logging.getLogger("safechat").error("%d", KEY)
    printed = capfd.readouterr()
    assert KEY not in printed.out + printed.err + path.read_text(encoding="utf-8")
    assert len(lines(path)) == 2


def test_other_handlers_get_the_record_whole(path: Path) -> None:
    class Keeping(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            kept.append(record)

    kept: list[logging.LogRecord] = []
    logger, other = logging.getLogger("safechat"), Keeping()
    with configure_logging(path):
        logger.addHandler(other)
        try:
            raise ValueError("oops")
        except ValueError:
            logger.exception("failed %s", "here")
        logger.removeHandler(other)
    assert kept[0].exc_info is not None
    assert kept[0].args == ("here",)
    assert "ValueError: oops" in lines(path)[0]["exc_info"]


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="the system has no /dev/full")
def test_a_full_disk_is_reported_once_and_harms_no_call(capfd: pytest.CaptureFixture[str]) -> None:
    with configure_logging("/dev/full"), ChatClientWrapper(ScriptedClient("ok")) as chat:
        for _ in range(3):
            assert chat.generate("Merhaba").text == "ok"
    printed = capfd.readouterr().err
    assert printed.count("cannot write the log /dev/full") == 1


def test_a_path_that_cannot_be_written_is_reported_once(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    with configure_logging(tmp_path / "file" / "chat.log"), ChatClientWrapper(ScriptedClient("ok")) as chat:
        assert [chat.generate("Merhaba").text for _ in range(3)] == ["ok"] * 3
    assert capfd.readouterr().err.count("cannot write the log") == 1


def test_the_file_turns_over_and_keeps_so_many(path: Path) -> None:
    with configure_logging(path, max_bytes=2000, backups=2):
        for number in range(100):
            logging.getLogger("safechat").info("event", extra={"number": number})
    kept = sorted(path.parent.iterdir())
    assert [file.name for file in kept] == ["chat_api.log", "chat_api.log.1", "chat_api.log.2"]
    assert all(file.stat().st_size <= 2000 for file in kept)
    assert lines(path)[-1]["number"] == 99


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork")
def test_a_forked_child_writes_too(path: Path) -> None:
    script = f"""
import logging, os
from safechat import configure_logging
log = configure_logging({str(path)!r})
logging.getLogger("safechat").info("parent")
child = os.fork()
if child == 0:
    logging.getLogger("safechat").info("child")
    log.close()
    os._exit(0)
os.waitpid(child, 0)
"""
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)
    assert sorted(line["event"] for line in lines(path)) == ["child", "parent"]


class Secretive:
    """An object whose text shows a key."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __repr__(self) -> str:
        return self._text


fields = ("model", "trace_id", "error", "x")


def wrapped(text: str) -> st.SearchStrategy[Any]:
    """`text` in one of the shapes in which it could come as an argument or an extra."""
    return st.sampled_from(
        [text, [text], (1, text), {"key": text}, {text: 1}, {"a": [{"b": (text,)}]}, {text},
         Secretive(text), SimpleNamespace(key=text), ValueError(text), text.encode(), Path(text)]
    )  # fmt: skip


@st.composite
def records(draw: st.DrawFn, keys: st.SearchStrategy[str]) -> tuple[str, logging.LogRecord]:
    key = draw(keys)
    text = draw(around) + key + draw(around)
    place = draw(st.sampled_from(["message", "argument", "extra", "field", "exception", "cause", "stack"]))
    record = logging.LogRecord("safechat", logging.INFO, "file.py", 1, "event", None, None)
    if place == "message":
        record.msg = text
    elif place == "argument":
        record.msg, record.args = "%s", (draw(wrapped(text)),)
    elif place == "extra":
        setattr(record, draw(st.sampled_from(fields)), draw(wrapped(text)))
    elif place == "field":
        vars(record)[text] = 1
    elif place == "stack":
        record.stack_info = text
    else:
        try:
            try:
                raise LookupError(text if place == "cause" else "inner")
            except LookupError as cause:
                raise ValueError(text) from cause
        except ValueError:
            record.exc_info = sys.exc_info()
    return key, record


@many
@given(drawn=records(shaped))
def test_nothing_shaped_like_a_key_gets_through(drawn: tuple[str, logging.LogRecord]) -> None:
    key, record = drawn
    secret = key.removeprefix("Bearer ")
    for formatter in (JsonLines(), TextLines()):
        line = formatter.format(snapshot(record))
        assert secret not in line
        assert "\n" not in line


@many
@given(drawn=records(literal))
def test_no_literal_key_in_use_gets_through(drawn: tuple[str, logging.LogRecord]) -> None:
    key, record = drawn
    forget_keys()
    remember(key)
    line = JsonLines().format(snapshot(record))
    assert key not in line
    assert key not in str(json.loads(line))
    assert key not in TextLines().format(snapshot(record))


@pytest.mark.parametrize(
    "text",
    [
        "task-force",
        "disk-usage-report",
        "the model gpt-5-mini",
        "risk-assessment-2026",
        "args.sk",
        "s.strip()",
    ],
)
def test_ordinary_words_are_left_alone(text: str) -> None:
    assert redact(text) == text


def test_log_files_are_closed_by_their_block(path: Path) -> None:
    with configure_logging(path) as log:
        assert isinstance(log, LogFile)
    assert not [
        handler for handler in logging.getLogger("safechat").handlers if isinstance(handler, QueueHandler)
    ]
