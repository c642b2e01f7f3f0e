"""How near to its quota does a client come?  python tests/benchmarks/goodput.py

A server allows 100 requests a second with a burst of 10. 1,500 requests, 200 at
once, none may fail: 15 s is the least. Shown are the time as a multiple of that,
and how many 429s it took; with the limit set by hand and with the limit learned
from the headers alone; and the same where a refused request costs quota too.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import openai
from rich.console import Console
from rich.table import Table

from safechat import ChatClientWrapper, ChatError, RateLimits

RATE, BURST, REQUESTS, AT_ONCE = 100, 10, 1500, 200
FLOOR = REQUESTS / RATE


@contextmanager
def server(*flags: str) -> Iterator[str]:
    script = Path(__file__).with_name("quota_server.py")
    command = [sys.executable, str(script), str(RATE), str(BURST), *flags]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, encoding="utf-8") as process:
        assert process.stdout is not None
        try:
            yield f"http://127.0.0.1:{process.stdout.readline().strip()}"
        finally:
            process.terminate()


async def measure(url: str, limits: RateLimits) -> tuple[float, int]:
    """Seconds, failures."""
    client = openai.AsyncOpenAI(api_key="sk-benchmark", base_url=f"{url}/v1")
    numbers = iter(range(REQUESTS))
    failures = 0
    async with ChatClientWrapper(client, limits=limits) as chat:

        async def caller() -> None:
            nonlocal failures
            for _ in numbers:
                try:
                    await chat.generate_async("Merhaba", "m")
                except ChatError:
                    failures += 1

        started = time.perf_counter()
        await asyncio.gather(*(caller() for _ in range(AT_ONCE)))
        return time.perf_counter() - started, failures


MODES = {
    "by hand": (RateLimits(RATE * 60, concurrency=AT_ONCE), []),
    "from the headers": (RateLimits(concurrency=AT_ONCE), ["--headers"]),
    "from the headers (limit is the burst)": (
        RateLimits(concurrency=AT_ONCE),
        ["--headers", "--limit-is-burst"],
    ),
}


def main() -> None:
    table = Table("limit", "a 429 costs quota", "seconds", "× floor", "429s", "failures")
    for mode, (limits, flags) in MODES.items():
        for costs in (False, True):
            with server(*flags, *(["--costs"] if costs else [])) as url:
                seconds, failures = asyncio.run(measure(url, limits))
                with urllib.request.urlopen(f"{url}/stats") as answer:
                    refused = json.load(answer)["refused"]
            ratio = f"{seconds / FLOOR:.3f}"
            table.add_row(
                mode, "yes" if costs else "no", f"{seconds:.2f}", ratio, str(refused), str(failures)
            )
    Console().print(table)


if __name__ == "__main__":
    main()
