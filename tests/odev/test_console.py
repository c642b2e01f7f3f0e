"""Any console shows what the commands print, in letters that it has."""

from __future__ import annotations

import io
import sys

import pytest
from rich.console import Console

from odev.course.console import print_any_text
from odev.demo import demo

SIGNS = "✓ ✗ ○ geçti → İpucu: şu ığdır… 😀"


class Terminal(io.TextIOWrapper):
    """A terminal that shows what is written in its encoding."""

    def __init__(self, encoding: str) -> None:
        super().__init__(io.BytesIO(), encoding)

    def isatty(self) -> bool:
        return True

    def shown(self) -> str:
        self.flush()
        return self.buffer.getvalue().decode(self.encoding)  # type: ignore[attr-defined, no-any-return]


def terminal(encoding: str, monkeypatch: pytest.MonkeyPatch) -> Terminal:
    stdout = Terminal(encoding)
    monkeypatch.setattr(sys, "stdout", stdout)
    monkeypatch.setattr(sys, "stderr", Terminal(encoding))
    print_any_text()
    return stdout


@pytest.mark.parametrize(
    ("encoding", "shown"),
    [
        ("utf-8", SIGNS),
        ("cp1254", "+ x o geçti > İpucu: şu ığdır… \\U0001f600"),
        ("ascii", "+ x o gecti > Ipucu: su igdir. \\U0001f600"),
    ],
)
def test_ascii_stands_for_what_a_console_lacks(
    encoding: str, shown: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    stdout = terminal(encoding, monkeypatch)
    print(SIGNS, end="")
    assert stdout.shown() == shown


def test_a_path_that_python_cannot_read_is_printed_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    stdout = terminal("ascii", monkeypatch)
    print("\udcc3\udcb6dev", end="")
    stdout.flush()
    assert stdout.buffer.getvalue() == "ödev".encode()  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("encoding", "name"), [("cp1254", "200 soru, API çökük"), ("ascii", "200 soru, API cokuk")]
)
def test_a_console_without_utf_8_shows_the_table_of_the_demo(
    encoding: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = demo.ScriptRun("Cevap alınamadı: ✗ → " + "uzun " * 20, False, True, 1.0, 3)
    monkeypatch.setattr(demo, "measure", lambda: iter([(scene, run, run) for scene in demo.SCENES]))
    stdout = terminal(encoding, monkeypatch)
    demo.show(Console(file=stdout, width=80), "tr")
    assert name in stdout.shown()
    assert "|---" in stdout.shown()


def test_windows_legacy_console_shows_the_table_of_the_demo(monkeypatch: pytest.MonkeyPatch) -> None:
    run = demo.ScriptRun("Hello", True, True, 1.0, 1)
    monkeypatch.setattr(demo, "measure", lambda: iter([(scene, run, run) for scene in demo.SCENES]))
    screen = io.StringIO()
    demo.show(Console(file=screen, width=80, legacy_windows=True), "tr")
    assert "yarım kalan stream" in screen.getvalue()
    assert not set("╭╮╰╯━┏┓") & set(screen.getvalue()), "what the raster fonts lack"
