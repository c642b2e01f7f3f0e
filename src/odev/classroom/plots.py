"""Plots for lessons: a mark as well as a colour, and a white ground, so that they can be read in any theme.

    plots.programs(measurements)                 # measure.py's, as bars
    plots.per_second("60 soru", api.requests(), limit=10)    # what the API saw: answered, refused
    plots.answers({"önce": "✓✓✗✗", "sonra": "✓✓✓✓"})         # one sign for each question
    plots.counts({"kimlik · önce": (0, 30), "kimlik · sonra": (30, 30)})   # what came, what is wanted
    plots.latencies([102.5, 98.1, 2003.0])                   # p50, p95, p99
    axes = plots.axes(height=3)                  # an empty one in the same style

Not here: the measurements (measure.py).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
from matplotlib.axes import Axes

from odev.classroom.measure import SIGNS, Measurement, Outcome, seconds_text
from safechat.cli.figures import nearest_rank

# Three of Okabe and Ito's colours, which people who do not see red and green apart can tell apart.
GOOD, NAMED, BAD = "#009E73", "#56B4E9", "#D55E00"
COLORS = {Outcome.ANSWER: GOOD, Outcome.NAMED: NAMED, Outcome.BAD: BAD}
_MEANINGS = {
    Outcome.ANSWER: "cevap",
    Outcome.NAMED: "adı konmuş hata",
    Outcome.BAD: "çökme, bekleyiş ya da yanlış cevap",
}
_STYLE: Any = {
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    "figure.dpi": 96,
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
}
_WIDTH = 9.0  # inches: JupyterLab with its side bar on a screen of 1280 pixels shows it whole
_CHARACTERS = 108  # of small text, beside the labels of the rows


def axes(height: float = 3.0) -> Axes:
    """An empty plot, `height` inches high. `plt.show()` shows it."""
    with plt.rc_context(_STYLE):
        _, made = plt.subplots(figsize=(_WIDTH, height), layout="constrained")
    return made


def programs(measurements: Sequence[Measurement]) -> None:
    """A bar for each program under each fault: how long its user waited, what came of it, the last line."""
    rows = len(measurements)
    faults = list(dict.fromkeys(measurement.fault for measurement in measurements))
    longest = max(measurement.run.seconds for measurement in measurements)
    width = longest * 2.6
    with plt.rc_context(_STYLE):
        drawn = axes(0.27 * rows + 0.12 * len(faults) + 1.0)
        position = 0.0
        places = []
        before = ""
        for measurement in measurements:
            position += 1.0 if measurement.fault == before else 1.4
            before = measurement.fault
            places.append(position)
            seconds, color = measurement.run.seconds, COLORS[measurement.outcome]
            drawn.barh(position, seconds, color=color, height=0.8)
            label = f"{SIGNS[measurement.outcome]} {seconds_text(seconds)} · {measurement.run.last_line}"
            label = _cut(label, int(_CHARACTERS * (1 - seconds / width)))
            drawn.text(seconds + longest * 0.015, position, label, va="center", fontsize=9)
        drawn.set_yticks(places, [f"{m.fault} · {m.program}" for m in measurements])
        drawn.set(xlim=(0, width), xlabel="kullanıcının beklediği süre (sn) ve gördüğü son satır")
        ticks = [tick for tick in drawn.get_xticks() if tick <= longest]
        drawn.set_xticks(ticks, [f"{tick:g}".replace(".", ",") for tick in ticks])
        drawn.invert_yaxis()
        meanings = "    ".join(f"{SIGNS[outcome]} {meaning}" for outcome, meaning in _MEANINGS.items())
        drawn.set_title(meanings, fontsize=10, loc="left")
        plt.show()


def _cut(text: str, characters: int) -> str:
    return text if len(text) <= characters else text[: characters - 1] + "…"


def per_second(title: str, requests: Sequence[Mapping[str, Any]], *, limit: int) -> None:
    """The requests that the API saw in each second, answered (200) and refused, beside its limit."""
    drawn = axes(height=2.4)
    start = min((request["started"] for request in requests), default=0)
    answered, refused = (
        [int(request["started"] - start) for request in requests if (request["status"] == 200) is wanted]
        for wanted in (True, False)
    )
    drawn.hist(
        [answered, refused],
        range(10),
        stacked=True,
        rwidth=0.8,
        align="left",
        color=[GOOD, BAD],
        label=["✓ cevap", "✗ geri çevrildi"],
    )
    drawn.axhline(limit, color="black", linestyle="--", label="API'nin sınırı")
    drawn.set(title=title, ylim=(0, 65), xlabel="saniye", ylabel="istek", xticks=range(9))
    drawn.legend()
    plt.show()


def answers(rows: Mapping[str, str]) -> None:
    """For each program the signs at the end of its last line: ✓ for each question that was answered, or ✗.

    What stands before the signs is printed where no question was answered.
    """
    drawn = axes(height=1.0 + 0.3 * len(rows))
    labels = []
    for row, (name, line) in enumerate(rows.items()):
        signs = line[len(line.rstrip("✓✗")) :]
        if "✓" not in signs:
            print(name, "→", line)
        labels.append(f"{name} ({signs.count('✓')} ✓)")
        for number, sign in enumerate(signs, 1):
            color = GOOD if sign == "✓" else BAD
            drawn.text(number, row, sign, color=color, ha="center", va="center", fontsize=14)
    longest = max(len(line) - len(line.rstrip("✓✗")) for line in rows.values())
    drawn.set_yticks(range(len(rows)), labels)
    drawn.set(xlim=(0.5, longest + 0.5), ylim=(len(rows) - 0.4, -0.6), xlabel="soru")
    drawn.set_xticks(range(1, longest + 1))
    plt.show()


def counts(rows: Mapping[str, tuple[int, int | None]], label: str) -> None:
    """A bar for each row of a count and the count that is wanted, ✓ where they are equal (never for None)."""
    drawn = axes(height=0.9 + 0.24 * len(rows))
    for name, (count, wanted) in rows.items():
        mark, color = ("✓", GOOD) if count == wanted else ("✗", BAD)
        drawn.barh(name, count, color=color)
        drawn.annotate(f"{mark} {count}", (count, name), (4, 0), textcoords="offset points", va="center")
    drawn.set(xlabel=label, xlim=(0, 1.1 * max(1, *(count for count, _ in rows.values()))))
    drawn.invert_yaxis()
    plt.show()


def latencies(milliseconds: Sequence[float]) -> None:
    """A dot for each call, the slowest at the top right, p50, p95 and p99 by name, and a line at the mean.

    Without calls it says so, and draws nothing.
    """
    if not milliseconds:
        print("çizilecek çağrı yok")
        return
    drawn = axes(height=2.8)
    how_often = Counter(round(number) for number in milliseconds)
    shares = [100 * rank / len(milliseconds) for rank in range(1, len(milliseconds) + 1)]
    drawn.plot(sorted(milliseconds), shares, "o", color=NAMED)
    for percent in (50, 95, 99):
        at = nearest_rank(how_often, percent) or 0
        share = 100 * sum(count for number, count in how_often.items() if number <= at) / len(milliseconds)
        drawn.plot(at, share, "o", color=BAD)
        label = f"p{percent} {at} ms"
        ground = {"facecolor": "white", "edgecolor": "none", "pad": 1}  # over the line at the mean
        drawn.annotate(label, (at, share), (8, -5), textcoords="offset points", va="top", bbox=ground)
    mean = sum(milliseconds) / len(milliseconds)
    drawn.axvline(mean, color="black", linestyle="--")
    drawn.annotate(f"ortalama {mean:.0f} ms", (mean, 2), (7, 0), textcoords="offset points")
    longest = max(milliseconds)
    drawn.set(xlim=(0, 1.15 * longest), ylim=(0, 108), xlabel="süre (ms)", ylabel="çağrıların yüzdesi")
    plt.show()
