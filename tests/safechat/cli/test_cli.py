"""`safechat ask`, as a person runs it."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from clients import KEY
from command import safechat
from wire import Wire, completion, http, wire


@pytest.fixture
def server() -> Iterator[Wire]:
    with wire(lambda peer: peer.say(http(json.dumps(completion("Günaydın!")).encode()))) as served:
        yield served


def ask(
    *arguments: str, server: Wire, stdin: str = "", **environment: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "safechat", "ask", *arguments],
        input=stdin, capture_output=True, text=True, encoding="utf-8", timeout=60,
        env={**os.environ, "OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": server.base_url, **environment},
    )  # fmt: skip


def test_the_answer_goes_to_stdout_and_nothing_to_stderr(server: Wire) -> None:
    done = ask("Merhaba", server=server)
    assert (done.returncode, done.stdout, done.stderr) == (0, "Günaydın!\n", "")


def test_a_dash_reads_the_question_from_stdin_whatever_the_locale(server: Wire) -> None:
    done = ask("-", "--system", "Kısa yaz.", server=server, stdin="İstanbul'da hava?", LC_ALL="C")
    assert done.stdout == "Günaydın!\n"
    assert server.requests[0]["messages"] == [
        {"role": "system", "content": "Kısa yaz."},
        {"role": "user", "content": "İstanbul'da hava?"},
    ]


def test_json_is_the_whole_reply_on_one_line(server: Wire) -> None:
    settings = {"OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": server.base_url}
    done = safechat("ask", "Merhaba", "--json", "--model", "gpt-4o", environment=settings)
    reply = json.loads(done.stdout)
    assert done.stdout.count("\n") == 1
    assert (reply["text"], reply["usage"]["total_tokens"], reply["attempts"]) == ("Günaydın!", 14, 1)
    assert server.requests[0]["model"] == "gpt-4o"


@pytest.mark.parametrize(
    ("arguments", "environment", "status", "words"),
    [
        (["Merhaba"], {"OPENAI_API_KEY": ""}, 1, "safechat: key_unavailable: there is no API key"),
        (["Merhaba"], {"OPENAI_BASE_URL": "http://127.0.0.1:9/v1"}, 1, "safechat: connection_failed: "),
        (
            ["Merhaba"],
            {"SAFECHAT_TIMEOUT": "hızlı"},
            2,
            "safechat: these settings are wrong: SAFECHAT_TIMEOUT",
        ),
        (["Merhaba", "--timeout", "-1"], {}, 2, "safechat: timeout must be above 0"),
        ([" "], {}, 2, "safechat: messages[0] is from the user and empty"),
    ],
)
def test_an_error_is_one_line_on_stderr(
    arguments: list[str], environment: dict[str, str], status: int, words: str, server: Wire
) -> None:
    settings = {"OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": server.base_url, **environment}
    done = safechat("ask", *arguments, environment=settings)
    assert done.returncode == status
    assert done.stdout == ""
    assert done.stderr.startswith(words)
    assert done.stderr.count("\n") == 1
    assert KEY not in done.stderr


def test_the_command_that_pip_installs_is_there() -> None:
    settings = tomllib.loads((Path(__file__).parents[3] / "pyproject.toml").read_text("utf-8"))
    module, _, name = settings["project"]["scripts"]["safechat"].partition(":")
    assert callable(getattr(importlib.import_module(module), name))
