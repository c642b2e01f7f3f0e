"""The demo runs both scripts for real, and what it shows is what happened."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from odev import demo


@pytest.fixture(scope="module")
def runs() -> dict[str, tuple[demo.Run, demo.Run]]:
    return {scene.en: (unsafe, safe) for scene, unsafe, safe in demo.measure()}


UNSAFE = {
    "a good answer": "TypeError",
    "400: temperature": "openai.BadRequestError",
    "a wrong key": "openai.AuthenticationError",
    "HTML from a proxy": "AttributeError",
    "a cut connection": "openai.APIConnectionError",
}

SAFE = {
    "a good answer": ("Hello", 1),
    "400: temperature": ("Hello", 2),
    "a wrong key": ("Cevap alınamadı (authentication_failed)", 1),
    "no answer comes": ("Cevap alınamadı (timed_out)", 1),
    "HTML from a proxy": ("Cevap alınamadı (malformed_reply)", 1),
    "a cut connection": ("Cevap alınamadı (connection_failed)", 1),
}


@pytest.mark.parametrize("scene", UNSAFE)
def test_the_unsafe_script_ends_in_a_traceback(
    runs: dict[str, tuple[demo.Run, demo.Run]], scene: str
) -> None:
    unsafe, _ = runs[scene]
    assert unsafe.said.startswith(UNSAFE[scene])
    assert not unsafe.answered


@pytest.mark.parametrize("scene", SAFE)
def test_the_safe_script_answers_or_says_why_not(
    runs: dict[str, tuple[demo.Run, demo.Run]], scene: str
) -> None:
    _, safe = runs[scene]
    words, requests = SAFE[scene]
    assert safe.said.startswith(words)
    assert safe.requests == requests
    assert safe.ended


def test_the_unsafe_script_hangs_where_the_safe_one_ends(runs: dict[str, tuple[demo.Run, demo.Run]]) -> None:
    unsafe, safe = runs["no answer comes"]
    assert not unsafe.ended
    assert safe.ended


@pytest.mark.parametrize(("language", "width"), [("tr", 80), ("en", 120)])
def test_the_table_is_one_screen(
    language: str, width: int, runs: dict[str, tuple[demo.Run, demo.Run]], monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [(scene, *runs[scene.en]) for scene in demo.SCENES]
    monkeypatch.setattr(demo, "measure", lambda: iter(rows))
    screen = io.StringIO()
    demo.show(Console(file=screen, width=width), language)
    lines = screen.getvalue().splitlines()
    assert len(lines) <= 24
    for scene in demo.SCENES:
        assert any(getattr(scene, language) in line for line in lines)
