"""A try cell's line: the call, what came, what is expected; an error with its message and its line."""

from __future__ import annotations

import asyncio
import linecache

import pytest

from odev.classroom.trial import trial, trial_async


def half(number: int, whole: bool = False) -> float:
    if whole:
        raise NotImplementedError("ÖDEV 1.1")
    if number < 0:
        raise ValueError("eksi sayı")
    return number / 2


def line(capsys: pytest.CaptureFixture[str]) -> str:
    return capsys.readouterr().out.rstrip("\n")


def test_what_came_stands_beside_what_is_expected(capsys: pytest.CaptureFixture[str]) -> None:
    trial(half, 4, expected=2.0)
    assert line(capsys) == "✓ half(4) → 2.0"
    trial(half, 4, expected=3.0)
    assert line(capsys) == "✗ half(4) → 2.0; beklenen: 3.0"
    trial(half, 4)
    assert line(capsys) == "  half(4) → 2.0"


def test_another_type_is_not_equal(capsys: pytest.CaptureFixture[str]) -> None:
    trial(half, 4, expected=2)
    assert line(capsys) == "✗ half(4) → 2.0; beklenen: 2"


def test_an_error_has_its_message(capsys: pytest.CaptureFixture[str]) -> None:
    trial(half, -1, raises=ValueError)
    assert line(capsys) == "✓ half(-1) → ValueError: eksi sayı"
    trial(half, -1, raises=KeyError)
    assert line(capsys) == "✗ half(-1) → ValueError: eksi sayı; KeyError fırlatılmalıydı"
    trial(half, 1, raises=ValueError)
    assert line(capsys) == "✗ half(1) → 0.5; ValueError fırlatılmalıydı"


def test_a_wrong_call_is_not_the_type_error_that_is_awaited(capsys: pytest.CaptureFixture[str]) -> None:
    trial(half, raises=TypeError)
    assert line(capsys).startswith("✗ half() → TypeError: half() missing 1 required positional argument")
    trial(half, None, raises=TypeError)
    assert line(capsys).startswith("✓")


def test_a_stub_is_not_written_yet(capsys: pytest.CaptureFixture[str]) -> None:
    trial(half, 4, whole=True, expected=2)
    assert line(capsys) == "✗ half(4, whole=True) → henüz yazılmadı; beklenen: 2"


def test_an_error_names_the_cells_line(capsys: pytest.CaptureFixture[str]) -> None:
    source = "def lower(code):\n    return code.lower()\n"
    name = "/tmp/ipykernel_1/1.py"
    linecache.cache[name] = (len(source), None, source.splitlines(keepends=True), name)
    cell: dict[str, object] = {}
    exec(compile(source, name, "exec"), cell)
    lower = cell["lower"]
    assert callable(lower)
    trial(lower, None, expected="a")
    assert line(capsys) == (
        "✗ lower(None) → AttributeError fırlattı: 'NoneType' object has no attribute 'lower' "
        "(2. satır: `return code.lower()`); beklenen: 'a'"
    )


def test_a_view_is_shown_and_compared(capsys: pytest.CaptureFixture[str]) -> None:
    trial(half, 4, expected="2.0", view=str, label="yarısı")
    assert line(capsys) == "✓ yarısı → '2.0'"
    trial(half, 4, expected=1, view=lambda value: value.text)
    assert line(capsys).startswith("✗ half(4) → 2.0 (AttributeError: ")


def test_classes_go_by_their_names(capsys: pytest.CaptureFixture[str]) -> None:
    trial(type, 4, expected=int)
    assert line(capsys) == "✓ type(4) → int"


def test_a_coroutine_is_awaited(capsys: pytest.CaptureFixture[str]) -> None:
    async def twice(number: int) -> int:
        return 2 * number

    asyncio.run(trial_async(twice, 2, expected=4))
    assert line(capsys) == "✓ twice(2) → 4"


def test_async_where_none_is_wanted_and_the_other_way_round(capsys: pytest.CaptureFixture[str]) -> None:
    async def twice(number: int) -> int:
        return 2 * number

    trial(twice, 2, expected=4)
    assert "bu fonksiyon düz bir `def` olmalı" in line(capsys)
    asyncio.run(trial_async(half, 2, expected=1.0))
    assert "`await` edilemedi" in line(capsys)


async def cancelled() -> None:
    raise asyncio.CancelledError


def test_a_cancellation_is_an_answer_only_where_it_is_awaited(capsys: pytest.CaptureFixture[str]) -> None:
    asyncio.run(trial_async(cancelled, raises=asyncio.CancelledError))
    assert line(capsys) == "✓ cancelled() → CancelledError"
    with pytest.raises(asyncio.CancelledError):  # somebody interrupts the cell
        asyncio.run(trial_async(cancelled, expected="Selam!"))
