"""The screens of `safechat logs` and `safechat models`. Not imported by the package: they need `[cli]`.

What comes from the log and the settings is given to rich as Text: in a str, rich would obey its own markup.
Not here: reading the log (logs.py), what is known of a model (models.py).
"""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from safechat.cli.logs import LogLine, LogSummary
from safechat.cli.models import ConfiguredModel
from safechat.cli.terminal import visible

# The fields that a timeline shows in columns of their own, or not at all.
_SHOWN_APART = {"time", "level", "event", "call_id"}
_MARKS = {True: ("ok  ", "green"), None: ("!   ", "yellow"), False: ("no  ", "red")}
_STYLES = {"ERROR": "red", "WARNING": "yellow", "INFO": "green"}


def summary_screen(summary: LogSummary) -> RenderableType:
    """The whole log on one screen."""
    figures = Table.grid(padding=(0, 2))
    rate = f"{summary.answered / summary.calls:.2%}" if summary.calls else "–"
    latency = " / ".join(_milliseconds(summary.latencies.percentile(percent)) for percent in (50, 95, 99))
    tokens = summary.tokens
    figures.add_row("calls", f"{summary.calls:,}", "answered", rate)
    figures.add_row("p50 / p95 / p99", latency, "waited for limits", _milliseconds(summary.waited_ms))
    figures.add_row("retries", f"{summary.retries:,}", "fallbacks", f"{summary.fallbacks:,}")
    figures.add_row(
        "tokens in",
        f"{tokens['prompt_tokens']:,} ({tokens['cached_tokens']:,} cached)",
        "tokens out",
        f"{tokens['completion_tokens']:,} ({tokens['reasoning_tokens']:,} reasoning)",
    )
    if (cost := summary.costs.total()) is not None:
        figures.add_row("cost", f"${cost:,.4f}", "", "")
    parts: list[RenderableType] = [_plain(f"{summary.first or '–'} … {summary.last or '–'}", "dim"), figures]
    failed = [(outcome, count) for outcome, count in summary.outcomes.most_common(9) if outcome != "ok"]
    if failed:
        parts.append(_ranked("calls that failed", failed))
    if summary.errors:
        parts.append(_ranked("requests that failed", summary.errors.most_common(8)))
    if summary.slowest:
        slow = Table("slowest calls", "ms", "model", box=None, header_style="bold")
        for latency_ms, call_id, model in sorted(summary.slowest, reverse=True):
            slow.add_row(_plain(call_id), f"{latency_ms:,.0f}", _plain(model))
        parts.append(slow)
    parts.append(Text(f"{summary.lines:,} lines, {summary.foreign:,} of them torn or foreign", "dim"))
    if summary.lost:
        parts.append(Text(f"{summary.lost:,} records were lost before they were written", "yellow"))
    return Group(*parts)


def timeline_screen(timeline: Sequence[tuple[float, LogLine]]) -> RenderableType:
    """The records of one call, with the seconds since its first."""
    table = Table("s", "event", "what", box=None, header_style="bold")
    for seconds, line in timeline:
        data = {name: value for name, value in line.items() if name not in _SHOWN_APART and value is not None}
        style = _STYLES.get(str(line.get("level")), "")
        words = ", ".join(f"{name} {value}" for name, value in data.items())
        table.add_row(f"{seconds:.3f}", _plain(line["event"], style), _plain(words))
    return table


def models_screen(models: Sequence[ConfiguredModel]) -> RenderableType:
    """The configured models, one a line, and below it what to do about the model."""
    parts: list[RenderableType] = []
    for model in models:
        parts.append(Text.assemble(_MARKS[model.ok], _plain(model.result)))
        if model.advice:
            parts.append(_plain(f"    → {model.advice}"))
    return Group(*parts)


def _ranked(title: str, rows: Sequence[tuple[str, int]]) -> Table:
    table = Table(title, "", box=None, header_style="bold")
    for name, count in rows:
        table.add_row(_plain(name), f"{count:,}")
    return table


def _plain(text: object, style: str = "") -> Text:
    return Text(visible(str(text)), style)


def _milliseconds(value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value / 1000:,.1f} s" if value >= 10_000 else f"{value:,.0f} ms"
