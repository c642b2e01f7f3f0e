"""An API that answers a question with itself, counts how often it was asked, and fails where a test wants it.

Real sockets, on loopback.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from wire import completion, http


@dataclass
class EchoApi:
    """`asked` counts the questions. A question in `failures` gets that status and error code in place of an
    answer; every answer takes `delay` seconds."""

    delay: float = 0.0
    failures: Mapping[str, tuple[int, str]] = field(default_factory=dict)
    port: int = 0
    asked: Counter[str] = field(default_factory=Counter)

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.IncompleteReadError):
            while await reader.readline():
                length = 0
                while (line := (await reader.readline()).strip()) != b"":
                    name, _, value = line.partition(b":")
                    length = int(value) if name.lower() == b"content-length" else length
                question = json.loads(await reader.readexactly(length))["messages"][-1]["content"]
                self.asked[question] += 1
                await asyncio.sleep(self.delay)
                writer.write(self._answer(question))
        writer.close()

    def _answer(self, question: str) -> bytes:
        if question not in self.failures:
            return http(json.dumps(completion(question)).encode(), headers="x-request-id: req_1\r\n")
        status, code = self.failures[question]
        error = {"message": f"as the test wants it: {code}", "code": code}
        return http(json.dumps({"error": error}).encode(), status=f"{status} Error")


@contextmanager
def echo_api(delay: float = 0.0, **failures: tuple[int, str]) -> Iterator[EchoApi]:
    """A running EchoApi."""
    api = EchoApi(delay, failures)
    loop = asyncio.new_event_loop()
    server = loop.run_until_complete(asyncio.start_server(api.serve, "127.0.0.1", 0))
    api.port = server.sockets[0].getsockname()[1]
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        yield api
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        server.close()
        for task in asyncio.all_tasks(loop):
            task.cancel()
        loop.run_until_complete(asyncio.sleep(0))
        loop.close()
