"""`safechat batch`: many prompts from a file, answered into a file. Not imported by the package.

Progress and what went wrong go to stderr, answers to the output. Not here: the batch itself (batch/).
"""

from __future__ import annotations

import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, BinaryIO

import typer
from rich.console import Console
from rich.live import Live
from rich.text import Text

from safechat.batch import Batch, BatchStatus
from safechat.batch.batch import Source, check_shard
from safechat.batch.estimate import Estimate
from safechat.batch.workers import Progress
from safechat.cli.terminal import visible
from safechat.client.wrapper import ChatClientWrapper
from safechat.errors import ChatError
from safechat.runtime.process import sigterm_interrupts

_EVERY = 10.0  # seconds between two lines of progress, where there is no terminal


def batch(
    input: Annotated[str, typer.Argument(help="JSON lines: OpenAI's batch form, or a prompt; - is stdin.")],
    output: Annotated[str, typer.Argument(help="The answers, and the journal of the batch; - is stdout.")],
    model: Annotated[
        str | None, typer.Option(help="For rows without one, in place of SAFECHAT_MODEL.")
    ] = None,
    workers: Annotated[int, typer.Option(help="Calls at once; SAFECHAT_CONCURRENCY limits them, too.")] = 32,
    shard: Annotated[
        str | None, typer.Option(metavar="K/N", help="Every Nth row from the Kth on, for one of N machines.")
    ] = None,
    limit: Annotated[int | None, typer.Option(help="Ask that many rows at the most.")] = None,
    max_usd: Annotated[
        float | None, typer.Option(help="Stop before the batch costs more, in all its runs.")
    ] = None,
    deadline: Annotated[
        float | None, typer.Option(help="Seconds for one row, waiting included. Without it, no limit.")
    ] = None,
    allow_truncated: Annotated[
        bool, typer.Option("--allow-truncated", help="Take an answer that was cut at its token limit.")
    ] = False,
    ordered: Annotated[
        bool, typer.Option("--ordered", help="At the end, sort the answers as the rows.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Ask nothing: print the tokens and dollars to expect.")
    ] = False,
) -> None:
    """Ask every row of a file. Killed and started again, it goes on where it was.

    Exit status 1: stopped before the end. 2: a row or an argument is wrong. 3: some rows failed.
    """
    console = Console(stderr=True)
    with ExitStack() as opened:
        source: Source = input
        target: Source = output
        folder = Path(opened.enter_context(tempfile.TemporaryDirectory(prefix="safechat-")))
        if input == "-":
            source = _spooled(sys.stdin.buffer, folder / "rows")
        elif Path(input).exists() and not Path(input).is_file():  # a named pipe
            with open(input, "rb") as pipe:
                source = _spooled(pipe, folder / "rows")
        if output == "-":
            target = folder / "answers" if ordered else sys.stdout.buffer
        chat = opened.enter_context(ChatClientWrapper.from_env())
        prepared = opened.enter_context(
            Batch(
                chat,
                source,
                target,
                model=model,
                workers=workers,
                deadline=float("inf") if deadline is None else deadline,
                allow_truncated=allow_truncated,
                shard=None if shard is None else read_shard(shard),
                limit=limit,
                max_usd=max_usd,
                ordered=ordered,
            )
        )
        if dry_run:
            Console(width=200).print(estimate_text(prepared.status, prepared.estimate()))
            return
        status = _run(prepared, console, goes_on=output != "-")
        if output == "-" and isinstance(target, Path):
            with open(target, "rb") as file:
                shutil.copyfileobj(file, sys.stdout.buffer)
    if status.over_budget:
        _say(
            console,
            f"stopped at --max-usd: ${status.usd:,.4f} are spent, and the next row could cost more than is "
            f"left of ${max_usd:,.2f} ({status.left:,} rows are left)",
        )
        raise typer.Exit(1)
    if status.failed:
        kinds = ", ".join(f"{kind} ×{count:,}" for kind, count in status.kinds.most_common())
        _say(console, f"{status.failed:,} of {status.rows:,} rows failed ({kinds}); their lines say why")
        raise typer.Exit(3)


def _run(prepared: Batch, console: Console, *, goes_on: bool) -> BatchStatus:
    """Run the batch. Exit status 130 after Ctrl-C or SIGTERM, 1 where something else stopped it."""
    status = prepared.status
    onwards = "; the same command goes on from there" if goes_on else ""
    try:
        with sigterm_interrupts(), shown(status, console) as progress:
            return prepared.run(progress)
    except KeyboardInterrupt:
        reason, code = "interrupted", 130
    except ChatError as error:
        reason, code = f"{error.kind}: {error}", 1
    except OSError as error:
        reason, code = f"the answers cannot be written: {error}", 1
    answered = status.before + status.answered
    _say(console, f"{reason} ({answered:,} of {status.rows:,} rows are answered{onwards})")
    raise typer.Exit(code)


def read_shard(text: str) -> tuple[int, int]:
    """`3/8` as (3, 8)."""
    number, slash, count = text.partition("/")
    if not (slash and number.isdecimal() and count.isdecimal()):
        raise ValueError(f"--shard must be as 3/8, not {text!r}")
    return check_shard((int(number), int(count)))


@dataclass
class Meter:
    """The line of progress: how far the batch is, how fast it goes, and how long it will take."""

    status: BatchStatus
    started: float
    said: float = 0.0

    def text(self, now: float) -> str:
        status = self.status
        done = status.answered + status.failed
        rate = done / max(now - self.started, 1e-9)
        parts = [f"{status.before + done:,} of {status.before + status.to_ask:,}"]
        if status.failed:
            kind, _ = status.kinds.most_common(1)[0]
            parts.append(f"{status.failed:,} failed ({kind}{', …' if len(status.kinds) > 1 else ''})")
        parts += [f"{rate:,.1f}/s", f"{status.tokens:,} tokens"]
        if status.usd:
            parts.append(f"${status.usd:,.4f}")
        if done and status.left:
            parts.append(f"{_duration(status.left / rate)} left")
        return " · ".join(parts)

    def __rich__(self) -> Text:
        return Text(self.text(time.monotonic()))


@contextmanager
def shown(status: BatchStatus, console: Console) -> Iterator[Progress]:
    """Within the block the progress is on the screen; without a terminal, a line now and then, and one at the
    end."""
    meter = Meter(status, time.monotonic(), time.monotonic())

    def say_now_and_then(_: BatchStatus) -> None:
        now = time.monotonic()
        if now - meter.said >= _EVERY:
            meter.said = now
            _say(console, meter.text(now))

    if console.is_terminal:
        with Live(meter, console=console, refresh_per_second=4, redirect_stdout=False):
            yield lambda _: None
    else:
        try:
            yield say_now_and_then
        finally:
            _say(console, meter.text(time.monotonic()))


def estimate_text(status: BatchStatus, estimate: Estimate) -> str:
    """What a batch would need, for `--dry-run`."""
    prompts, most = _dollars(estimate.prompts_usd), _dollars(estimate.most_usd)
    answers = f"at most {estimate.answer_tokens:,}"
    if estimate.unlimited:
        answers += f", and those of {estimate.unlimited:,} rows without max_completion_tokens"
    return "\n".join(
        [
            f"rows           {status.rows:,}, of them {status.before:,} answered",
            f"to ask         {estimate.rows:,}",
            f"prompt tokens  about {estimate.prompt_tokens:,}",
            f"answer tokens  {answers}",
            f"dollars        prompts {prompts}, with answers at most {most}",
        ]
    )


def _dollars(usd: float | None) -> str:
    return "not known" if usd is None else f"${usd:,.4f}"


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}"


def _say(console: Console, text: str) -> None:
    console.print(Text(f"safechat: {visible(text)}"), soft_wrap=True)


def _spooled(stream: BinaryIO, path: Path) -> Path:
    """What comes, as a file: its rows are read twice."""
    with open(path, "wb") as file:
        shutil.copyfileobj(stream, file)
    return path
