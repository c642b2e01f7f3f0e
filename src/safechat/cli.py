"""The `safechat` command. Not imported by the package: it needs the extra `[cli]`.

Answers go to stdout, errors to stderr in one line with an exit status that is not 0.
"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from typing import Annotated

from safechat.client import ChatClientWrapper
from safechat.errors import ChatError
from safechat.messages import ChatReply

try:
    import typer
except ImportError:
    sys.exit("the safechat command needs its extra: pip install 'safechat[cli]'")

app = typer.Typer(
    help="Ask an OpenAI-compatible chat API, safely. OPENAI_*, SAFECHAT_* and .env say which, and how.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@app.callback()
def safechat() -> None:
    """Ask an OpenAI-compatible chat API, safely."""


@app.command()
def ask(
    prompt: Annotated[str, typer.Argument(help="The question; - reads it from standard input.")],
    model: Annotated[str | None, typer.Option(help="In place of SAFECHAT_MODEL.")] = None,
    temperature: Annotated[
        float | None, typer.Option(help="Left out where the model does not take it.")
    ] = None,
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
    typer.echo(_as_json(reply) if as_json else reply.text)


def _as_json(reply: ChatReply) -> str:
    fields = asdict(reply)
    del fields["headers"]
    return json.dumps(fields, ensure_ascii=False)


def main() -> None:
    """The console script. Exit status 1: the call failed; 2: it was asked wrongly."""
    for stream in (sys.stdin, sys.stdout, sys.stderr):
        stream.reconfigure(encoding="utf-8")  # type: ignore[union-attr]
    try:
        app(prog_name="safechat")
    except ChatError as error:
        _fail(f"{error.kind}: {error}", 1)
    except (TypeError, ValueError) as error:
        _fail(str(error), 2)


def _fail(message: str, status: int) -> None:
    typer.echo(f"safechat: {' '.join(message.split())}", err=True)
    sys.exit(status)
