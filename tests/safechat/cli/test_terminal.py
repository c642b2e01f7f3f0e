"""What a log or an answer contains is shown on the terminal as text, whatever it is."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from clients import KEY
from command import safechat
from safechat.cli.logs import LogSummary, call_timeline
from safechat.cli.screens import summary_screen, timeline_screen
from safechat.cli.terminal import for_stream, read_and_write_any_text, visible
from wire import completion, http, wire

COMMAND = (sys.executable, "-c", "from safechat.cli.main import main; main()")

# The text, and how it is shown.
HOSTILE = {
    "[/INST]": "[/INST]",
    "[redacted]": "[redacted]",
    "[bold]b": "[bold]b",
    "[link=http://a]b": "[link=http://a]b",
    ":warning:": ":warning:",
    "\\[x]": "\\[x]",
    "\x1b[31mred": "\\u001b[31mred",
    "\x1b]8;;http://a\x07b": "\\u001b]8;;http://a\\u0007b",
    "\x9b2J": "\\u009b2J",
    "a\rb\x08": "a\\u000db\\u0008",
    "a\nb\tc": "a\\u000ab\\u0009c",
    "\u202egnp.exe": "\\u202egnp.exe",
    "\ud800": "\\ud800",
    "\x00": "\\u0000",
}


def log_of(text: str) -> list[str]:
    """The lines of a log in which every text is `text`."""
    call = {"event": "chat.call", "call_id": "c1", "outcome": text, "model": text, "latency_ms": 1.0}
    failed = {"event": "chat.attempt_failed", "call_id": "c1", "kind": text, "model": text, "error": text}
    return [
        json.dumps({"time": text, "level": text, text: text, **record}) + "\n" for record in (failed, call)
    ]


def rendered(screen: Any) -> str:
    output = io.StringIO()
    Console(file=output, width=300, force_terminal=True, color_system=None, emoji=True).print(screen)
    return output.getvalue()


@pytest.mark.parametrize("text", HOSTILE, ids=HOSTILE.values())
def test_a_summary_shows_what_was_logged(text: str) -> None:
    summary = LogSummary()
    for line in log_of(text):
        summary.add(line)
    screen = rendered(summary_screen(summary))
    assert screen.count(HOSTILE[text]) >= 6, "time twice, outcome, model twice, kind"
    assert visible(screen, lines=True) == screen


@pytest.mark.parametrize("text", HOSTILE, ids=HOSTILE.values())
def test_a_timeline_shows_what_was_logged(text: str) -> None:
    screen = rendered(timeline_screen(call_timeline(log_of(text), "c1")))
    assert f"error {HOSTILE[text]}" in screen
    assert f"{HOSTILE[text]} {HOSTILE[text]}" in screen, "a field whose name is hostile"
    assert visible(screen, lines=True) == screen


@pytest.mark.parametrize("text", HOSTILE, ids=HOSTILE.values())
def test_json_keeps_the_value_and_holds_no_control_character(text: str, tmp_path: Path) -> None:
    log = tmp_path / "chat.log"
    log.write_text("".join(log_of(text)), encoding="utf-8")
    printed = safechat("logs", str(log), "--call", "c1", "--json").stdout
    assert json.loads(printed)[0]["error"] == text
    assert visible(printed, lines=True) == printed


@pytest.mark.parametrize("text", HOSTILE, ids=HOSTILE.values())
def test_an_error_shows_its_text(text: str, tmp_path: Path) -> None:
    printed = safechat("logs", str(tmp_path / "chat.log"), "--call", text).stderr
    assert visible(printed, lines=True) == printed


def test_lines_and_tabs_of_an_answer_stay() -> None:
    assert visible("a\n\tb\r\nc\rd", lines=True) == "a\n\tb\r\nc\\u000dd"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_an_answer_is_changed_for_a_terminal_alone() -> None:
    assert for_stream("\x1b[2Ja\n", Terminal()) == "\\u001b[2Ja\n"
    assert for_stream("\x1b[2Ja\n", io.StringIO()) == "\x1b[2Ja\n"


class Encoded(io.TextIOWrapper):
    """A terminal that shows what is written in its encoding."""

    def __init__(self, encoding: str) -> None:
        super().__init__(io.BytesIO(), encoding)

    def isatty(self) -> bool:
        return True

    def shown(self) -> str:
        self.flush()
        return self.buffer.getvalue().decode(self.encoding)  # type: ignore[attr-defined, no-any-return]


@pytest.mark.parametrize(
    ("encoding", "shown"),
    [
        ("utf-8", "Cevap alınamadı… ▁▄█ → ₺5"),
        ("cp1254", "Cevap alınamadı… .=@ > \\u20ba5"),
        ("cp1252", "Cevap alinamadi… .=@ > \\u20ba5"),
        ("ascii", "Cevap alinamadi. .=@ > \\u20ba5"),
    ],
)
def test_a_terminal_shows_ascii_for_what_it_lacks(encoding: str, shown: str) -> None:
    console = Encoded(encoding)
    read_and_write_any_text(Encoded(encoding), console)
    console.write("Cevap alınamadı… ▁▄█ → ₺5")
    assert console.shown() == shown


def test_a_file_gets_utf_8_in_any_environment() -> None:
    file = io.TextIOWrapper(io.BytesIO(), "cp1254")
    read_and_write_any_text(io.TextIOWrapper(io.BytesIO(), "cp1254"), file)
    assert file.encoding == "utf-8"


@pytest.mark.parametrize("encoding", ["cp1254", "ascii"])
def test_every_screen_is_shown_where_the_environment_names_an_encoding(encoding: str, tmp_path: Path) -> None:
    log = tmp_path / "günlük.log"
    call = {"event": "chat.call", "call_id": "c1", "model": "ğ→₺", "outcome": "timed_out", "latency_ms": 1.0}
    times = [f"2026-11-25T03:{minute}:00+00:00" for minute in (10, 20)]
    log.write_text("".join(json.dumps({**call, "time": time}) + "\n" for time in times), encoding="utf-8")
    for arguments in (["logs"], ["logs", "--call", "c1"], ["logs", "--json"], ["--help"]):
        done = subprocess.run(
            [*COMMAND, *arguments, *([str(log)] if arguments[0] == "logs" else [])],
            capture_output=True,
            env={**os.environ, "PYTHONIOENCODING": encoding},
            timeout=60,
            check=True,
        )
        assert done.stderr == b""
        assert "?" not in done.stdout.decode(encoding)


def test_json_keeps_its_value_in_any_encoding(tmp_path: Path) -> None:
    log = tmp_path / "chat.log"
    log.write_text('{"event": "chat.call", "call_id": "c1", "model": "ğ→₺"}\n', encoding="utf-8")
    command = [
        sys.executable,
        "-c",
        "from safechat.cli.main import main; main()",
        "logs",
        "--call",
        "c1",
        "--json",
    ]
    environment = {**os.environ, "PYTHONIOENCODING": "cp1254"}
    printed = subprocess.run(
        [*command, str(log)], capture_output=True, env=environment, timeout=60, check=True
    )
    assert json.loads(printed.stdout.decode("cp1254"))[0]["model"] == "ğ→₺"


def test_ask_shows_the_control_characters_of_an_answer() -> None:
    if sys.platform == "win32":
        pytest.skip("the system has no pseudo-terminals")
    answer = json.dumps(completion("tamam \x1b[2J\x1b]0;x\x07 [/INST] :warning:")).encode()
    command = [*COMMAND, "ask", "Merhaba"]
    ours, theirs = os.openpty()
    with wire(lambda peer: peer.say(http(answer))) as server:
        environment = {**os.environ, "OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": server.base_url}
        done = subprocess.run(command, stdout=theirs, env=environment, timeout=60, check=True)
    os.close(theirs)
    printed = os.read(ours, 10_000).decode()
    os.close(ours)
    assert done.returncode == 0
    assert printed.strip() == "tamam \\u001b[2J\\u001b]0;x\\u0007 [/INST] :warning:"
