"""What the READMEs say is so: their examples run, and the commands, files and names in them exist."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import openai
import pydantic
import pytest
import typer.main
from typer.core import TyperGroup

import safechat
from odev.__main__ import app as odev
from safechat import testing
from safechat.cli.main import app as command
from sse import DONE, chunk, sends
from wire import Peer, Wire, completion, http, wire

ROOT = Path(__file__).parents[2]
READMES = ("README.md", "README.tr.md")
GROUPS = {"python -m odev": typer.main.get_command(odev), "safechat": typer.main.get_command(command)}
FOLDERS = (
    ROOT,
    ROOT / "lessons",
    ROOT / "src" / "safechat",
    ROOT / "tests",
    ROOT / "tests" / "benchmarks",
    ROOT / "tests" / "vault",
)
NAME_OF_A_CLASS = re.compile(r"\b(?:[A-Z][a-z]+){2,}\b")

both = pytest.mark.parametrize("readme", READMES)


class Bill(pydantic.BaseModel):
    total: float


def text_of(readme: str) -> str:
    return (ROOT / readme).read_text(encoding="utf-8")


def blocks(readme: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", text_of(readme), re.MULTILINE | re.DOTALL)


def inline(readme: str) -> list[str]:
    """What stands in `…` outside the blocks."""
    prose = re.sub(r"^```.*?^```", "", text_of(readme), flags=re.MULTILINE | re.DOTALL)
    return re.findall(r"`([^`]+)`", prose)


def examples() -> list[Any]:
    return [
        pytest.param(source, id=f"{readme}-{number}")
        for readme in READMES
        for number, source in enumerate(blocks(readme, "python"))
    ]


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Wire]:
    """Answers every call, streams and calls with a schema too. What an example writes is in a folder of the
    test."""
    monkeypatch.chdir(tmp_path)

    def script(peer: Peer) -> None:
        request = served.requests[-1]
        if request.get("stream"):
            sends(chunk("Merhaba"), chunk(finish="stop") + DONE)(peer)
            return
        text = '{"total": 9.5}' if "response_format" in request else "Merhaba!"
        peer.say(http(pydantic.TypeAdapter(dict[str, object]).dump_json(completion(text))))

    with wire(script) as served:
        monkeypatch.setenv("OPENAI_BASE_URL", served.base_url)
        monkeypatch.setenv("OPENAI_API_KEY", "sk-of-the-readme-0000")
        yield served


@pytest.mark.parametrize("source", examples())
def test_an_example_runs(source: str, server: Wire) -> None:
    given = {name: getattr(safechat, name) for name in safechat.__all__}
    with ExitStack() as logs, safechat.ChatClientWrapper(openai.OpenAI()) as chat:
        given["configure_logging"] = lambda path: logs.enter_context(safechat.configure_logging(path))
        given |= {"chat": chat, "prompts": ["a", "b"], "messages": [], "Bill": Bill, "Fatura": Bill}
        given |= {"OpenAI": openai.OpenAI, "AsyncOpenAI": openai.AsyncOpenAI, "other_client": openai.OpenAI()}
        given |= {"role_id": "role", "token": "s.of-the-readme-000000000000"}
        exec(source, given)
        assert isinstance(given["chat"], safechat.ChatClientWrapper)
        given["chat"].close()


@both
def test_the_examples_are_seen(readme: str) -> None:
    assert len(blocks(readme, "python")) == len(blocks("README.md", "python")) >= 4


def commands(readme: str) -> Iterator[tuple[str, list[str]]]:
    lines = [line for block in blocks(readme, "sh") for line in block.splitlines()]
    for line in (*lines, *inline(readme)):
        for part in line.split("&&"):
            for group in GROUPS:
                if part.strip().startswith(f"{group} "):
                    yield group, shlex.split(part.strip().removeprefix(group), comments=True)


@both
def test_a_command_takes_the_arguments_that_are_shown(readme: str) -> None:
    shown = list(commands(readme))
    assert len(shown) >= 10
    for name, (subcommand, *arguments) in shown:
        group = GROUPS[name]
        assert isinstance(group, TyperGroup)
        parsed = group.get_command(group.make_context(name, [subcommand]), subcommand)
        assert parsed is not None, f"{name} {subcommand}"
        if arguments:  # without any, the prose names the command
            parsed.make_context(subcommand, arguments)  # raises for an argument that it does not take


@both
def test_every_file_that_is_named_exists(readme: str) -> None:
    words = re.findall(r"[\w/.]*\w\.(?:py|yaml|toml|txt|md)\b|[\w]+(?:/[\w]+)*/(?=`)", text_of(readme))
    assert words
    assert [word for word in words if not any((folder / word).exists() for folder in FOLDERS)] == []


@both
def test_every_class_that_is_named_is_public(readme: str) -> None:
    names = {name for code in inline(readme) for name in NAME_OF_A_CLASS.findall(code)}
    public = {*safechat.__all__, *vars(testing), *vars(openai)}
    assert {"TruncatedReply", "VaultKeys"} <= names
    assert names <= public
