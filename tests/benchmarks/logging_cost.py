"""What logging costs a call.  python tests/benchmarks/logging_cost.py

CPU seconds of the whole process, the writing thread included, for the same calls
through the SDK on a mocked wire: logging off, and on. Rounds alternate; shown is
the median of the ratios.
"""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
from pathlib import Path

import httpx2
import openai
from layers import BODY
from rich.console import Console
from rich.table import Table

from safechat import ChatClientWrapper, RateLimits, configure_logging

CALLS, ROUNDS = 300, 21


async def cpu_seconds(chat: ChatClientWrapper) -> float:
    started = time.process_time()
    for _ in range(CALLS):
        await chat.generate_async("Merhaba", "m")
    return time.process_time() - started


async def main() -> None:
    transport = httpx2.MockTransport(lambda request: httpx2.Response(200, json=BODY))
    client = openai.AsyncOpenAI(
        api_key="sk-benchmark-0123456789", http_client=httpx2.AsyncClient(transport=transport)
    )
    on: list[float] = []
    off: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        async with ChatClientWrapper(client, limits=RateLimits(1e9, 1e12)) as chat:
            await cpu_seconds(chat)
            for _ in range(ROUNDS):
                off.append(await cpu_seconds(chat))
                started = time.process_time()
                with configure_logging(Path(folder) / "chat_api.log"):
                    await cpu_seconds(chat)
                on.append(time.process_time() - started)  # until the last line is written
    ratio = statistics.median(with_log / without for with_log, without in zip(on, off, strict=True))
    table = Table("", "CPU µs a call")
    table.add_row("logging off", f"{statistics.median(off) / CALLS * 1e6:.0f}")
    table.add_row("logging on", f"{statistics.median(on) / CALLS * 1e6:.0f}")
    table.add_row("on / off", f"{ratio:.3f}")
    Console().print(table)


if __name__ == "__main__":
    asyncio.run(main())
