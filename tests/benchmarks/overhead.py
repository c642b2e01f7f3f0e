"""What a whole call costs, against the bare SDK.  python tests/benchmarks/overhead.py

CPU seconds of this process (all its threads, a log file written) for the same calls on a real socket,
made by the bare AsyncOpenAI and by the wrapper: at 1, 50 and 500 at once, with 2 and with 42 messages,
by `generate_async`, by `generate` from threads, by `map`, and by `generate_async` with the Responses API,
which is compared with the SDK's `responses.create`. Rounds alternate; shown is the median of
the ratios. The server is a process of its own, so its CPU does not count.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import openai
from rich.console import Console
from rich.table import Table

from safechat import ChatClientWrapper, RateLimits, configure_logging

LIMITS = RateLimits(1e9, 1e12, concurrency=1000)


def messages(count: int) -> list[dict[str, str]]:
    """A conversation of so many messages; the last one is the user's."""
    text = "merhaba " * 12
    turns = [{"role": "assistant" if number % 2 else "user", "content": text} for number in range(count - 1)]
    return [*turns, {"role": "user", "content": "Merhaba"}]


async def at_once(call: Callable[[], Awaitable[object]], calls: int, concurrency: int) -> None:
    async def worker(count: int) -> None:
        for _ in range(count):
            await call()

    await asyncio.gather(*(worker(calls // concurrency) for _ in range(concurrency)))


async def cpu(function: Callable[[], Awaitable[None]]) -> float:
    started = time.process_time()
    await function()
    return time.process_time() - started


async def measure(base_url: str, concurrency: int, count: int, calls: int, rounds: int) -> dict[str, float]:
    """The bare SDK's microseconds of CPU a call, and the ratio of each way through the wrapper."""
    prompt: Any = messages(count)
    bare = openai.AsyncOpenAI(api_key="sk-benchmark-0123456789", base_url=base_url, max_retries=0, timeout=60)
    client = openai.AsyncOpenAI(api_key="sk-benchmark-0123456789", base_url=base_url)
    pool = ThreadPoolExecutor(concurrency)
    loop = asyncio.get_running_loop()
    async with ChatClientWrapper(client, limits=LIMITS, timeout=60) as chat:

        async def by_the_sdk() -> None:
            await at_once(
                lambda: bare.chat.completions.create(model="m", messages=prompt), calls, concurrency
            )

        async def by_generate_async() -> None:
            await at_once(lambda: chat.generate_async(prompt, "m"), calls, concurrency)

        async def by_generate() -> None:
            def worker() -> None:
                for _ in range(calls // concurrency):
                    chat.generate(prompt, "m")

            await asyncio.gather(*(loop.run_in_executor(pool, worker) for _ in range(concurrency)))

        async def by_map() -> None:
            async for _ in chat.map_async([prompt] * calls, workers=concurrency, model="m"):
                pass

        async def responses_by_the_sdk() -> None:
            await at_once(lambda: bare.responses.create(model="m", input=prompt), calls, concurrency)

        async def by_responses() -> None:
            await at_once(lambda: chat.generate_async(prompt, "m", api="responses"), calls, concurrency)

        ways = {
            "generate_async": (by_generate_async, by_the_sdk),
            "generate": (by_generate, by_the_sdk),
            "map": (by_map, by_the_sdk),
            "responses": (by_responses, responses_by_the_sdk),
        }
        ratios: dict[str, list[float]] = {name: [] for name in ways}
        bases: list[float] = []
        for way in (by_the_sdk, responses_by_the_sdk, *(way for way, _ in ways.values())):
            await way()  # connections are made, threads are started
        for _ in range(rounds):
            base = {bare_way: await cpu(bare_way) for bare_way in (by_the_sdk, responses_by_the_sdk)}
            bases.append(base[by_the_sdk])
            for name, (way, bare_way) in ways.items():
                ratios[name].append(await cpu(way) / base[bare_way])
    await bare.close()
    await client.close()
    pool.shutdown()
    medians = {name: statistics.median(measured) for name, measured in ratios.items()}
    return {"bare SDK": statistics.median(bases) / calls * 1e6, **medians}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--calls", type=int, default=500, help="Calls in a round.")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    server = Path(__file__).with_name("quota_server.py")
    command = [sys.executable, str(server), "1e9", "1e9", "--delay", "0.005"]
    columns = ("bare SDK, µs a call", "generate_async", "generate", "map", "responses")
    table = Table("at once", "messages", *columns)
    with (
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True, encoding="utf-8") as process,
        tempfile.TemporaryDirectory() as folder,
    ):
        try:
            assert process.stdout is not None
            base_url = f"http://127.0.0.1:{process.stdout.readline().strip()}/v1"
            with configure_logging(Path(folder) / "chat_api.log"):
                for concurrency in (1, 50, 500):
                    for count in (2, 42):
                        calls = max(options.calls, concurrency)
                        figures = asyncio.run(measure(base_url, concurrency, count, calls, options.rounds))
                        bare, *ratios = figures.values()
                        row = (f"{bare:.0f}", *(f"{ratio:.2f}" for ratio in ratios))
                        table.add_row(str(concurrency), str(count), *row)
        finally:
            process.terminate()
    Console().print(table)


if __name__ == "__main__":
    main()
