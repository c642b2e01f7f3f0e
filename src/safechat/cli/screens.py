"""The screens of `safechat logs` and `safechat models`. Not imported by the package: they need `[cli]`.

What comes from the log and the settings is given to rich as Text: in a str, rich would obey its own markup.
Not here: what a log says (logs.py), what is known of a model (models.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from safechat.cli.figures import Percentiles
from safechat.cli.filters import LogLine
from safechat.cli.logs import LogSummary
from safechat.cli.models import ConfiguredModel
from safechat.cli.terminal import visible

# The fields that a timeline shows in columns of their own, or not at all.
_SHOWN_APART = {"time", "level", "event", "call_id"}
_BARS = " ▁▂▃▄▅▆▇█"
_MOST_GROUPS = 12  # that a screen shows
_NARROW = 70  # characters of a screen
_MARKS = {True: ("ok  ", "green"), None: ("!   ", "yellow"), False: ("no  ", "red")}
_STYLES = {"ERROR": "red", "WARNING": "yellow", "INFO": "green"}


def summary_screen(summary: LogSummary, width: int = 80) -> RenderableType:
    """The whole log on one screen, so many characters wide."""
    calls, tokens, latencies = summary.calls, summary.tokens, summary.latencies
    rate = f"{summary.answered / calls:.2%}" if calls else "–"
    latency = _percentiles(latencies, 50, 95, 99)
    figures = [
        ("calls", f"{calls:,}"),
        ("answered", rate),
        ("p50 / p95 / p99", latency),
        ("waited for limits", _milliseconds(summary.waited_ms)),
        ("retries", f"{summary.retries:,}"),
        ("fallbacks", f"{summary.fallbacks:,}"),
        ("tokens in", f"{tokens['prompt_tokens']:,} ({tokens['cached_tokens']:,} cached)"),
        ("tokens out", f"{tokens['completion_tokens']:,} ({tokens['reasoning_tokens']:,} reasoning)"),
    ]
    if (first_pieces := summary.first_pieces).count:
        figures.append(("first piece p50 / p95", _percentiles(first_pieces, 50, 95)))
    if (speed := summary.speeds.percentile(50)) is not None:
        figures.append(("tokens a second", f"{speed:,.1f} (median)"))
    if (cost := summary.cost_usd) is not None:
        figures.append(("cost", f"${cost:,.4f}"))
    if summary.cached:
        figures.append(("from the cache", f"{summary.cached:,}"))
    if summary.budget is not None:
        spent, per_day = summary.budget
        figures.append(("budget, when last seen", f"${spent:,.2f} of ${per_day:,.2f} a day"))
    parts: list[RenderableType] = [_plain(f"{summary.first or '–'} … {summary.last or '–'}", "dim")]
    parts.append(_grid(figures, 1 if width < _NARROW else 2))
    parts += _bars(summary, width)
    if len(summary.groups) > 1 or summary.by != "model":
        parts.append(_groups(summary, width))
    failed = [(outcome, count) for outcome, count in summary.outcomes.most_common(9) if outcome != "ok"]
    if failed:
        parts.append(_ranked("calls that failed", failed))
    if summary.failed:
        parts.append(_calls("last failed calls", "outcome", summary.failed))
    if summary.errors:
        parts.append(_ranked("requests that failed", summary.errors.most_common(8)))
    if summary.slowest:
        slowest = sorted(summary.slowest, reverse=True)
        rows = [(call_id, f"{latency_ms:,.0f}", model) for latency_ms, call_id, model in slowest]
        parts.append(_calls("slowest calls", "ms", rows))
    parts.append(Text(f"{summary.lines:,} lines, {summary.foreign:,} of them torn or foreign", "dim"))
    if summary.lost:
        parts.append(Text(f"{summary.lost:,} records were lost before they were written", "yellow"))
    return Group(*parts)


def _grid(figures: Sequence[tuple[str, str]], pairs: int) -> Table:
    """Names and their figures, so many pairs a row."""
    grid = Table.grid(padding=(0, 2))
    for start in range(0, len(figures), pairs):
        grid.add_row(*(text for pair in figures[start : start + pairs] for text in pair))
    return grid


def _bars(summary: LogSummary, width: int) -> list[RenderableType]:
    """Calls and errors over time, a row of bars each; nothing where all calls fall into one column."""
    seconds, calls, errors = summary.bars.rows(max(10, min(60, width - 10)))
    if len(calls) < 2:
        return []
    rows = [Text(f"{name:<8}{_row(counts)}", style) for name, counts, style in
            (("calls", calls, "green"), ("errors", errors, "red"))]  # fmt: skip
    return [
        *rows,
        Text(f"{'':<8}a column is {timedelta(seconds=seconds)}; at most {max(calls):,} calls", "dim"),
    ]


def _row(counts: Sequence[int]) -> str:
    """A bar for each count, as high as its part of the greatest. Only 0 has none."""
    most = max(counts) or 1
    return "".join(_BARS[-(-count * (len(_BARS) - 1) // most)] for count in counts)


def _groups(summary: LogSummary, width: int) -> Table:
    """A row for each group, without its tokens where there is no room for them."""
    names = ["calls", "errors", "p95 ms", "$"] + ([] if width < _NARROW else ["tokens in", "tokens out"])
    table = Table(box=None, header_style="bold", padding=(0, 1))
    table.add_column(_plain(f"by {summary.by}"), overflow="fold")
    for name in names:
        table.add_column(name, justify="right", no_wrap=True)
    for name, group in summary.ranked()[:_MOST_GROUPS]:
        cost, p95 = group.costs.total(), group.latencies.percentile(95)
        cells = [
            f"{group.calls:,}",
            f"{group.calls - group.answered:,}",
            f"{p95:,.0f}" if p95 is not None else "–",
            f"{cost:,.4f}" if cost is not None else "–",
            f"{group.tokens['prompt_tokens']:,}",
            f"{group.tokens['completion_tokens']:,}",
        ]
        table.add_row(_plain(name), *cells[: len(names)])
    if (more := len(summary.groups) - _MOST_GROUPS) > 0:
        table.add_row(Text(f"… and {more:,} more", "dim"))
    return table


def _calls(title: str, what: str, rows: Iterable[tuple[str, str, str]]) -> Table:
    """Calls by their ids, which are never cut: they are what `--call` takes."""
    table = Table(box=None, header_style="bold")
    table.add_column(title, overflow="fold", min_width=16)
    table.add_column(what, overflow="fold")
    table.add_column("model", overflow="fold")
    for row in rows:
        table.add_row(*map(_plain, row))
    return table


def timeline_screen(timeline: Iterable[tuple[float, LogLine]]) -> RenderableType:
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


def _percentiles(numbers: Percentiles, *percents: float) -> str:
    """The times in milliseconds, with the unit once where all have the same."""
    texts = [_milliseconds(numbers.percentile(percent)) for percent in percents]
    units = {text.partition(" ")[1:] for text in texts}
    if len(units) == 1:
        texts[:-1] = [text.partition(" ")[0] for text in texts[:-1]]
    return " / ".join(texts)


def _milliseconds(value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value / 1000:,.1f} s" if value >= 10_000 else f"{value:,.0f} ms"
