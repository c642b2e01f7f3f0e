"""Runs inside the package's own environment: makes the calls of one scene, and reports each of them.

    python program.py job.json

`import safechat` is the student's package here, and nothing of the course is imported: this file is a
script, and its limits come from the one file of the course that the job names. Its owner (lane.py) listens
on a port of loopback, sends a line for each step, and gets a line for each call. Not here: what a call's
report is worth (facts.py).
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import importlib.util
import json
import os
import socket
import ssl
import sys
import threading
import traceback
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

LONGEST_TEXT = 20_000  # characters of an error that are reported
MOST_ASKED = 8  # times that a program asks that does not give up: no more answers break off


class Package:
    """The student's package, with the settings of this scene. The key is in the Vault."""

    def __init__(self, options: Mapping[str, Any]) -> None:
        from openai import AsyncOpenAI

        import safechat

        environment = os.environ
        keys = safechat.VaultKeys(
            environment["VAULT_ADDR"],
            path=environment["SAFECHAT_KEY_PATH"],
            field=environment["SAFECHAT_KEY_FIELD"],
            auth=safechat.AppRole(environment["VAULT_ROLE_ID"], environment["VAULT_SECRET_ID"]),
            ttl=options.get("ttl", 300.0),
        )
        safechat.configure_logging("chat_api.log")
        self._safechat = safechat
        # What a program writes into its log without a thought: its own settings, a password among them.
        self._settings = {"host": "db.example", "password": environment["DATABASE_PASSWORD"]}
        self._chat = safechat.ChatClientWrapper(
            AsyncOpenAI(base_url=environment["OPENAI_BASE_URL"], api_key="in-the-vault"),
            keys=keys,
            timeout=options.get("timeout", 10.0),
            deadline=40.0,
            fallbacks=options.get("fallbacks", ()),
            retry=safechat.RetryPolicy(attempts=options.get("attempts", 3), base=0.2, cap=2.0),
            limits=safechat.RateLimits(options.get("requests_per_minute"), concurrency=64),
            breaker=safechat.BreakerPolicy(failures=options.get("failures", 5), cooldown=options["cooldown"]),
        )

    def ask(self, step: Mapping[str, Any], prompt: str, number: str) -> str:
        messages = [{"role": "user", "content": prompt}]
        with self._safechat.log_context(exam_call=number, database=self._settings):
            if step["way"] == "stream":
                return "".join(self._chat.stream(messages, model=step["model"]))
            return self._chat.generate(messages, model=step["model"]).text

    async def ask_async(self, step: Mapping[str, Any], prompt: str, number: str) -> str:
        messages = [{"role": "user", "content": prompt}]
        with self._safechat.log_context(exam_call=number, database=self._settings):
            return (await self._chat.generate_async(messages, model=step["model"])).text

    def is_named(self, error: Exception) -> bool:
        return isinstance(error, self._safechat.ChatError)

    def close(self) -> None:
        self._chat.close()


class Script:
    """The course's unsafe scripts: each question is a run of the script's source, in this process."""

    def __init__(self, sources: Mapping[str, str]) -> None:
        self._sources = sources
        # Each run makes a client, and each client loads all certificates: 20 ms of CPU, with which a crowd
        # would come one by one. This API has no TLS.
        ssl.create_default_context = functools.cache(ssl.create_default_context)  # type: ignore[assignment]

    def ask(self, step: Mapping[str, Any], prompt: str, number: str) -> str:
        printed: list[str] = []

        def keep(*values: object, end: str = "\n") -> None:
            printed.append(" ".join(map(str, values)) + end)

        kind = "stream" if step["way"] == "stream" else "ask"
        source = self._sources[kind].replace('"Merhaba"', repr(prompt))
        exec(compile(source, "ask_question.py", "exec"), {"__name__": "__main__", "print": keep})
        return "".join(printed).strip()

    def is_named(self, error: Exception) -> bool:
        return False

    def close(self) -> None:
        """Nothing is open."""


Asker = Package | Script


class Owner:
    """The line to the owner; several threads may report at the same time."""

    def __init__(self, line: socket.socket) -> None:
        self._line = line
        self._lock = threading.Lock()

    def send(self, **fields: object) -> None:
        with self._lock:
            self._line.sendall(f"{json.dumps(fields)}\n".encode())


def call(asker: Asker, step: Mapping[str, Any], position: int, owner: Owner) -> None:
    """One call; where the step says so it is asked again after an error, as one does that must have it."""
    prompt = step["prompts"][position]
    for attempt in range(MOST_ASKED if step["again"] else 1):
        number = f"{step['name']}/{position}/{attempt}"
        try:
            text = asker.ask(step, prompt, number)
        except Exception as error:
            owner.send(call=position, number=number, **failure(asker, error))
        else:
            owner.send(call=position, number=number, text=str(text))
            return


async def call_async(asker: Package, step: Mapping[str, Any], position: int, owner: Owner) -> None:
    number = f"{step['name']}/{position}/0"
    try:
        text = await asker.ask_async(step, step["prompts"][position], number)
    except Exception as error:
        owner.send(call=position, number=number, **failure(asker, error))
    else:
        owner.send(call=position, number=number, text=str(text))


def failure(asker: Asker, error: Exception) -> dict[str, object]:
    """What is reported of an error: all that a handler of errors could write down of it."""
    request = getattr(error, "request", None)
    held = [*traceback.format_exception(error), repr(vars(error)), repr(getattr(request, "headers", ""))]
    if headers := getattr(request, "headers", None):
        held.append(repr(dict(headers)))
    return {
        "error": type(error).__name__,
        "message": str(error)[:LONGEST_TEXT],
        "kind": str(getattr(error, "kind", "")),
        "named": asker.is_named(error),
        "held": "\n".join(held)[:LONGEST_TEXT],
    }


def run(asker: Asker, step: Mapping[str, Any], owner: Owner) -> None:
    """All calls of the step."""
    positions = range(len(step["prompts"]))
    if step["way"] == "async" and isinstance(asker, Package):  # a script knows threads alone

        async def all_at_once() -> None:
            await asyncio.gather(*(call_async(asker, step, position, owner) for position in positions))

        asyncio.run(all_at_once())
    else:
        with ThreadPoolExecutor(step["at_once"]) as pool:
            list(pool.map(lambda position: call(asker, step, position, owner), positions))
    owner.send(done=step["name"])


def first_request() -> None:
    """Ask a port where nobody listens: the SDK imports most of itself at its first request, and that time is
    no call's."""
    import openai

    async def ask() -> None:
        async with openai.AsyncOpenAI(base_url="http://127.0.0.1:9/v1", api_key="-", max_retries=0) as client:
            await client.chat.completions.create(model="-", messages=[])

    with contextlib.suppress(openai.OpenAIError):
        asyncio.run(ask())


def limit(job: Mapping[str, Any]) -> None:
    """Limit this process as a graded one limits itself."""
    spec = importlib.util.spec_from_file_location("process_group", job["process_group"])
    assert spec is not None
    assert spec.loader is not None
    process_group = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(process_group)
    process_group.limit_itself(**job["limits"])
    process_group.end_with_parent(**job["end"])


def main(job_file: Path) -> None:
    job = json.loads(job_file.read_text(encoding="utf-8"))
    sys.path += job["installed"]
    limit(job)
    asker: Asker = Script(job["scripts"]) if job["scripts"] else Package(job["options"])
    with socket.create_connection(("127.0.0.1", job["port"])) as line:
        owner = Owner(line)
        first_request()
        owner.send(ready=True)
        with line.makefile("r", encoding="utf-8") as steps:
            for step in steps:
                run(asker, json.loads(step), owner)
        asker.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
