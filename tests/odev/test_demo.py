"""The demo runs both scripts for real, and what it shows is what happened."""

from __future__ import annotations

import io
from collections.abc import Iterator

import pytest
from rich.console import Console

from odev.demo import demo
from real_service import RealService, real_service

# All scenes run before the first test. On a busy machine that takes minutes.
pytestmark = pytest.mark.timeout(900)

Runs = dict[str, tuple[demo.ScriptRun, demo.ScriptRun]]


@pytest.fixture(scope="module")
def service() -> Iterator[RealService]:
    with real_service() as running:
        yield running


@pytest.fixture(scope="module")
def runs(service: RealService) -> Runs:
    """Every scene once, for a user with a real service, with time limits for the safe script that hold on a
    busy machine too."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in service.environment().items():
            patch.setenv(name, value)
        patch.setattr(demo, "TIMEOUT", 6.0)
        patch.setattr(demo, "DEADLINE", 15.0)
        patch.setattr(demo, "LONGEST", 300.0)
        return {scene.en: (unsafe, safe) for scene, unsafe, safe in demo.measure()}


UNSAFE = {
    "a good answer": "TypeError",
    "400: temperature": "openai.BadRequestError",
    "the key is rotated": "openai.AuthenticationError",
    "no credit left": "openai.RateLimitError",
    "429, wait 1 s": "TypeError",
    "the model is gone": "openai.NotFoundError: Error code: 404 - The model `gpt-5-mini` has been deprecated",
    "HTML from a proxy": "AttributeError",
    "RAG: model down": "openai.InternalServerError",
}

# What the safe script says, and how many requests it makes.
SAFE = {
    "a good answer": ("Hello", {1}),
    "400: temperature": ("Hello", {2}),
    "the key is rotated": ("Hello", {3}),
    "no credit left": ("Cevap alınamadı (quota_exhausted)", {1}),
    "429, wait 1 s": ("Hello", {2}),
    "the model is gone": ("Hello", {2}),
    "no answer comes": ("Cevap alınamadı (", {2, 3}),
    "HTML from a proxy": ("Cevap alınamadı (malformed_reply)", {3}),
    "a stream that ends": ("Cevap alınamadı (truncated_reply)", {1}),
    "RAG: model down": (demo.RAG_ANSWER, {4}),
    "RAG: order in a text": (demo.RAG_ANSWER, {1}),
}


@pytest.mark.parametrize("scene", UNSAFE)
def test_the_unsafe_script_ends_in_a_traceback(runs: Runs, scene: str) -> None:
    unsafe, _ = runs[scene]
    assert unsafe.last_line.startswith(UNSAFE[scene])
    assert not unsafe.answered


@pytest.mark.parametrize("scene", SAFE)
def test_the_safe_script_answers_or_says_why_not(runs: Runs, scene: str) -> None:
    _, safe = runs[scene]
    words, requests = SAFE[scene]
    assert safe.last_line.startswith(words)
    assert safe.requests in requests
    assert safe.ended


def test_the_unsafe_script_hangs_where_the_safe_one_ends(
    runs: Runs,
) -> None:
    unsafe, safe = runs["no answer comes"]
    assert not unsafe.ended
    assert safe.ended


def test_a_cut_stream_looks_like_an_answer_to_the_unsafe_script(runs: Runs) -> None:
    unsafe, _ = runs["a stream that ends"]
    assert unsafe.last_line
    assert demo.ANSWER.startswith(unsafe.last_line)
    assert not unsafe.answered


def test_an_order_in_a_document_is_obeyed_where_it_stands_last(runs: Runs) -> None:
    unsafe, safe = runs["RAG: order in a text"]
    assert "Kart numaranı yaz" in unsafe.last_line
    assert not unsafe.answered
    assert safe.answered


def test_200_calls_to_a_dead_api_are_a_storm_or_none(
    runs: Runs,
) -> None:
    unsafe, safe = runs["200 calls, API down"]
    assert unsafe.requests == 600
    assert safe.requests <= 300
    assert safe.last_line == "200 soru, 0 cevap"


@pytest.mark.usefixtures("runs")
def test_nothing_reaches_a_real_service_of_the_users(service: RealService) -> None:
    assert service.connections == 0


@pytest.mark.parametrize(("language", "width"), [("tr", 80), ("en", 120)])
def test_the_table_is_one_screen(
    language: str,
    width: int,
    runs: Runs,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rows = [(scene, *runs[scene.en]) for scene in demo.SCENES]
    monkeypatch.setattr(demo, "measure", lambda: iter(rows))
    screen = io.StringIO()
    demo.show(Console(file=screen, width=width), language)
    lines = screen.getvalue().splitlines()
    assert len(lines) <= 33
    for scene in demo.SCENES:
        row = next(row for row, line in enumerate(lines) if getattr(scene, language) in line)
        assert f" {scene.lesson:02} " in lines[row + 1]
