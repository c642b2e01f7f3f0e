"""A lesson's plot says the same with marks as with colours, on a ground that every theme shows."""

from __future__ import annotations

from collections.abc import Iterator

import matplotlib as mpl
import matplotlib.pyplot as plt
import pytest
from matplotlib.patches import Rectangle

from odev.classroom import plots
from odev.classroom.measure import ANSWER, Measurement, Outcome, ProgramRun


@pytest.fixture(autouse=True)
def _no_window(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    mpl.use("Agg")
    monkeypatch.setattr(plt, "show", lambda: None)
    yield
    plt.close("all")


def measurement(outcome: Outcome, seconds: float, last_line: str) -> Measurement:
    return Measurement("arıza", "program", ProgramRun(last_line, seconds, True, last_line), 1, outcome)


def test_each_bar_has_its_mark_and_its_seconds() -> None:
    plots.programs(
        [measurement(Outcome.ANSWER, 0.04, ANSWER), measurement(Outcome.BAD, 4, "x" * 30 + " son " * 20)]
    )
    first, second = [text.get_text() for text in plt.gca().texts]
    assert first == f"✓ 0,0 sn · {ANSWER}"
    assert second.startswith("✗ 4,0 sn · xxx")
    assert second.endswith("…")
    assert [bar.get_facecolor() for bar in plt.gca().patches] == [
        mpl.colors.to_rgba(plots.GOOD),
        mpl.colors.to_rgba(plots.BAD),
    ]


def test_the_seconds_at_the_axis_have_a_comma_like_those_beside_the_bars() -> None:
    plots.programs([measurement(Outcome.BAD, 7.9, "")])
    labels = [label.get_text() for label in plt.gca().get_xticklabels()]
    assert labels[:3] == ["0", "2,5", "5"]


def test_the_ground_is_white_whatever_the_notebook_sets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(mpl.rcParams, "figure.facecolor", "none")
    plots.axes()
    assert plt.gcf().get_facecolor() == mpl.colors.to_rgba("white")


def test_a_second_shows_its_answered_and_its_refused_requests() -> None:
    requests = [
        {"started": 7.0, "status": 200},
        {"started": 7.9, "status": 429},
        {"started": 8.1, "status": 200},
    ]
    plots.per_second("Soru", requests, limit=10)
    heights = [bar.get_height() for bar in plt.gca().patches if isinstance(bar, Rectangle)]
    seconds = len(heights) // 2
    assert heights[:2] == [1, 1]
    assert heights[seconds : seconds + 2] == [1, 0]


def test_each_question_has_its_sign(capsys: pytest.CaptureFixture[str]) -> None:
    plots.answers({"önce": "kapalı ✗✗✗", "sonra": " ✓✓✗"})
    drawn = plt.gca()
    assert [text.get_text() for text in drawn.texts] == [*"✗✗✗", *"✓✓✗"]
    assert [label.get_text() for label in drawn.get_yticklabels()] == ["önce (0 ✓)", "sonra (2 ✓)"]
    assert capsys.readouterr().out == "önce → kapalı ✗✗✗\n"


def test_a_last_line_has_as_much_room_as_its_bar_leaves() -> None:
    plots.programs(
        [measurement(Outcome.BAD, seconds, "a_long_word_without_an_end:" * 9) for seconds in (0.0, 4.0)]
    )
    beside_no_bar, beside_the_longest = [len(text.get_text()) for text in plt.gca().texts]
    assert beside_no_bar > 90 > beside_the_longest > 50


def test_a_count_has_a_mark_only_where_it_is_the_wanted_one() -> None:
    plots.counts({"önce": (54, 0), "sonra": (0, 0)}, "dosyada")
    drawn = plt.gca()
    assert [text.get_text() for text in drawn.texts] == ["✗ 54", "✓ 0"]
    assert drawn.get_xlim()[1] > 54


def test_latencies_name_their_percentiles_and_their_mean() -> None:
    plots.latencies([100.0] * 90 + [5000.0] * 10)
    names = [text.get_text() for text in plt.gca().texts]
    assert names == ["p50 100 ms", "p95 5000 ms", "p99 5000 ms", "ortalama 590 ms"]
