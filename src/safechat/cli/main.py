"""The `safechat` command. Not imported by the package: it needs the extra `[cli]`.

Answers go to stdout. Errors go to stderr, as one line, with an exit status that is not 0. Not here: the
checks of `doctor` (doctor.py), the command `batch` (batch.py), what is known of a model (models.py), what a
log says (logs.py), what screens look like (screens.py).
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from contextlib import suppress
from dataclasses import asdict
from datetime import UTC, datetime
from io import TextIOWrapper
from itertools import islice
from pathlib import Path
from typing import Annotated, cast

from safechat.cli.doctor import examine
from safechat.cli.filters import Filter, read_moment, read_where
from safechat.cli.lines import follow_lines, oldest_first, read_lines, rotated_files
from safechat.cli.logs import LONGEST_TIMELINE, LogSummary, call_timeline
from safechat.cli.models import examine_models
from safechat.cli.terminal import for_stream, is_utf_8, read_and_write_any_text, visible
from safechat.client.wrapper import ChatClientWrapper
from safechat.errors import ChatError
from safechat.messages import ChatReply

try:
    import typer
    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

    from safechat.cli.batch import batch
    from safechat.cli.screens import models_screen, summary_screen, timeline_screen
except ImportError:
    sys.exit("the safechat command needs its extra: pip install 'safechat[cli]'")

app = typer.Typer(
    help="Ask an OpenAI-compatible chat API, safely. It is configured by OPENAI_*, SAFECHAT_* and .env.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


app.command()(batch)


@app.callback()
def safechat() -> None:
    """Ask an OpenAI-compatible chat API, safely."""


@app.command()
def ask(
    prompt: Annotated[str, typer.Argument(help="The question; - reads it from standard input.")],
    model: Annotated[str | None, typer.Option(help="In place of SAFECHAT_MODEL.")] = None,
    temperature: Annotated[float | None, typer.Option(help="Left out if the model does not take it.")] = None,
    system: Annotated[str | None, typer.Option(help="Instructions that go before the question.")] = None,
    timeout: Annotated[float | None, typer.Option(help="Seconds for one attempt.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="The whole reply, as one line of JSON.")] = False,
) -> None:
    """Print the answer to one question."""
    question = sys.stdin.read() if prompt == "-" else prompt
    messages = [{"role": "user", "content": question}]
    if system is not None:
        messages.insert(0, {"role": "system", "content": system})
    with ChatClientWrapper.from_env() as chat:
        reply = chat.generate(messages, model, temperature, timeout=timeout)
    typer.echo(_as_json(_reply_as_dict(reply)) if as_json else for_stream(reply.text, sys.stdout))


@app.command()
def logs(
    files: Annotated[list[Path], typer.Argument(help="Logs that configure_logging wrote; .gz too.")],
    call: Annotated[
        str | None, typer.Option("--call", metavar="ID", help="The timeline of one call.")
    ] = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on while the log grows.")] = False,
    rotated: Annotated[bool, typer.Option("--rotated", help="Also file.1, file.2.gz and so on.")] = False,
    since: Annotated[
        str | None, typer.Option(metavar="TIME", help="From then on: 2026-11-25T03:00 (UTC), or 2h for ago.")
    ] = None,
    until: Annotated[str | None, typer.Option(metavar="TIME", help="Before then.")] = None,
    model: Annotated[str | None, typer.Option(help="Records of this model, asked or answering.")] = None,
    where: Annotated[
        list[str] | None, typer.Option(metavar="FIELD=VALUE", help="Records with this field, e.g. trace_id=…")
    ] = None,
    by: Annotated[str, typer.Option(metavar="FIELD", help="The groups of the table.")] = "model",
    as_json: Annotated[bool, typer.Option("--json", help="For a program.")] = False,
) -> None:
    """Summarise the calls in logs, on one screen; or show one call."""
    if follow and (rotated or len(files) > 1):
        raise ValueError("--follow is for one file")
    for file in files:
        if not file.exists() and not follow:
            raise ValueError(f"there is no file {file}")
    if rotated:
        files = [other for file in files for other in (file, *rotated_files(file))]
    files = oldest_first(dict.fromkeys(files))
    now = datetime.now(UTC)
    wanted = Filter(
        since=read_moment(since, now) if since is not None else None,
        until=read_moment(until, now) if until is not None else None,
        model=model,
        where=read_where(where or ()),
    )
    console = _console()
    if call is not None:
        timeline = list(islice(call_timeline(read_lines(files), call), LONGEST_TIMELINE))
        if not timeline:
            raise ValueError(f"no call {call} in {', '.join(map(str, files))}")
        if as_json:
            typer.echo(_as_json([line for _, line in timeline]))
        else:
            console.print(timeline_screen(timeline))
        return
    summary = LogSummary(wanted, by)
    if follow:
        with Live(console=console, auto_refresh=False) as live, suppress(KeyboardInterrupt):
            for text in follow_lines(files[0]):
                if text is not None:
                    summary.add(text)
                else:
                    live.update(summary_screen(summary, console.width), refresh=True)
        return
    for text in read_lines(files):
        summary.add(text)
    if as_json:
        typer.echo(_as_json(summary.to_dict()))
    else:
        console.print(summary_screen(summary, console.width))


@app.command()
def doctor(
    login: Annotated[
        bool, typer.Option("--login", help="Log in to Vault, once: that is one of a secret_id's uses.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One line of JSON for each check.")] = False,
) -> None:
    """Check everything that a call needs: settings, network, Vault, login, key, API, model."""
    console = Console()
    marks = {True: "[green]ok[/]", False: "[red]no[/]", None: "[yellow]![/]"}

    async def no_check_failed() -> bool:
        passed = True
        async for check in examine(login=login):
            passed = passed and check.ok is not False
            if as_json:
                typer.echo(_as_json(asdict(check)))
                continue
            console.print(f"{marks[check.ok]:<14} [bold]{check.name}[/]: ", end="")
            console.print(Text(visible(check.result)), soft_wrap=True)
            if check.ok is not True and check.advice:
                console.print(Text(f"      → {check.advice}"), soft_wrap=True)
        return passed

    if not asyncio.run(no_check_failed()):
        raise typer.Exit(1)


@app.command()
def models(as_json: Annotated[bool, typer.Option("--json", help="For a program.")] = False) -> None:
    """Show when the configured models are shut down. Exit status 1 from 14 days before."""
    configured = asyncio.run(examine_models())
    if as_json:
        typer.echo(_as_json([model.to_dict() for model in configured]))
    else:
        Console().print(models_screen(configured), soft_wrap=True)
    if any(model.ok is False for model in configured):
        raise typer.Exit(1)


def _console() -> Console:
    """The terminal; in a pipe, where there is none, it is wide enough for every line."""
    wide = None if sys.stdout.isatty() or "COLUMNS" in os.environ else 200
    return Console(width=wide)


def _reply_as_dict(reply: ChatReply) -> dict[str, object]:
    fields = asdict(reply)
    del fields["headers"], fields["base_url"]
    fields["cost_usd"] = reply.cost_usd
    return fields


def _as_json(value: object) -> str:
    return visible(json.dumps(value, ensure_ascii=not is_utf_8(sys.stdout)))


def main() -> None:
    """The console script. Exit status 1: the call failed; 2: an argument or a setting is wrong."""
    read_and_write_any_text(*(cast(TextIOWrapper, stream) for stream in (sys.stdin, sys.stdout, sys.stderr)))
    try:
        app(prog_name="safechat")
    except ChatError as error:
        _fail(f"{error.kind}: {error}", 1)
    except (TypeError, ValueError, OSError) as error:
        _fail(str(error), 2)


def _fail(message: str, status: int) -> None:
    typer.echo(f"safechat: {visible(' '.join(message.split()))}", err=True)
    sys.exit(status)
