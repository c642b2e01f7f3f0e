"""Runs a program whose imports are done before its clock starts.

    python -P timed_program.py PORT PROGRAM

Its owner (measure.py) listens on PORT of loopback. This process does the program's
imports, says that it is ready, waits for the answer, and runs the program as
`__main__`. When the program's own code has ended, by an error too, it sends the
seconds. So neither Python's start nor a busy disk counts. Not here: limits.
"""

from __future__ import annotations

import ast
import contextlib
import socket
import sys
import time
import types
from pathlib import Path
from typing import Any


def main(port: int, program: Path) -> None:
    source = program.read_text(encoding="utf-8")
    sys.path.insert(0, "")  # as `python -c`
    with socket.create_connection(("127.0.0.1", port)) as owner:
        _import(source)
        owner.sendall(b"ready\n")
        if not owner.recv(1):  # the owner is gone
            return
        module = sys.modules["__main__"] = types.ModuleType("__main__")
        started = time.perf_counter()
        try:
            exec(compile(source, program.name, "exec"), module.__dict__)
        finally:
            owner.sendall(f"{time.perf_counter() - started}\n".encode())


def _import(source: str) -> None:
    """Do the imports at the program's top. What is wrong with them, the program's run shows."""
    with contextlib.suppress(Exception):
        program = ast.parse(source)
        program.body = [node for node in program.body if isinstance(node, ast.Import | ast.ImportFrom)]
        exec(compile(program, "imports", "exec"), {})
    if "openai" in sys.modules:
        _first_request()


def _first_request() -> None:
    """Ask a port where nobody listens: the SDK imports most of itself at its first request."""
    import asyncio

    import openai

    arguments: Any = {"base_url": "http://127.0.0.1:9/v1", "api_key": "-", "max_retries": 0}
    question: Any = {"model": "-", "messages": []}
    with contextlib.suppress(openai.OpenAIError), openai.OpenAI(**arguments) as client:
        client.chat.completions.create(**question)

    async def ask() -> None:
        async with openai.AsyncOpenAI(**arguments) as client:
            await client.chat.completions.create(**question)

    with contextlib.suppress(openai.OpenAIError):
        asyncio.run(ask())


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]))
