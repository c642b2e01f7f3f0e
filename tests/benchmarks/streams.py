"""What a streamed answer costs, against the bare SDK.  python tests/benchmarks/streams.py

CPU seconds of this process for a stream of 2,000 chunks on a real socket, read by the bare AsyncOpenAI and
by the wrapper's `stream_async` and `stream`: with many chunks in a network packet, and with one packet
for each chunk, as a model that is thinking sends them. Rounds alternate; shown are the smallest
times. The server is a process of its own, so its CPU does not count.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import time
from collections.abc import Awaitable, Callable
from multiprocessing.connection import Connection

import openai
from rich.console import Console
from rich.table import Table

from safechat import ChatClientWrapper

CHUNKS = 2000
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n"


def event(content: str | None, finish: str | None = None) -> bytes:
    choice = {"index": 0, "delta": {"content": content} if content else {}, "finish_reason": finish}
    data = {"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]}
    return f"data: {json.dumps(data)}\n\n".encode()


EVENTS = [*(event(f"{number} ") for number in range(CHUNKS)), event(None, "stop"), b"data: [DONE]\n\n"]


async def serve(pause: float, ready: Connection) -> None:
    """Sends the events with a pause of so many seconds after each; 0 sends them all at once."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        await reader.readexactly(int(head.partition(b"content-length:")[2].split()[0]))
        writer.write(HEAD)
        for part in EVENTS if pause else [b"".join(EVENTS)]:
            writer.write(part)
            await writer.drain()
            if pause:
                await asyncio.sleep(pause)
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    ready.send(server.sockets[0].getsockname()[1])
    await server.serve_forever()


def run_server(pause: float, ready: Connection) -> None:
    asyncio.run(serve(pause, ready))


async def cpu(read: Callable[[], Awaitable[int]]) -> float:
    started = time.process_time()
    count = await read()
    assert count == CHUNKS, count
    return time.process_time() - started


async def measure(base_url: str, rounds: int) -> dict[str, float]:
    """The seconds of CPU of each way to read the stream, the smallest of all rounds."""
    key = "sk-benchmark-0123456789"
    bare = openai.AsyncOpenAI(api_key=key, base_url=base_url, max_retries=0, timeout=60)
    async with (
        bare,
        ChatClientWrapper(openai.AsyncOpenAI(api_key=key, base_url=base_url), timeout=60) as chat,
    ):

        async def by_the_sdk() -> int:
            stream = await bare.chat.completions.create(
                model="m", messages=[{"role": "user", "content": "Merhaba"}], stream=True
            )
            return len([1 async for chunk in stream if chunk.choices[0].delta.content])

        async def by_stream_async() -> int:
            return "".join([piece async for piece in chat.stream_async("Merhaba")]).count(" ")

        async def by_stream() -> int:
            return await asyncio.to_thread(lambda: "".join(chat.stream("Merhaba")).count(" "))

        ways = {"bare SDK": by_the_sdk, "stream_async": by_stream_async, "stream": by_stream}
        times: dict[str, list[float]] = {name: [] for name in ways}
        for _ in range(rounds + 1):
            for name, way in ways.items():
                times[name].append(await cpu(way))
    return {name: min(measured[1:]) for name, measured in times.items()}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--pause", type=float, default=0.001, help="Seconds between two packets.")
    options = parser.parse_args()
    table = Table("packets", "bare SDK, µs a chunk", "stream_async", "stream")
    spawn = multiprocessing.get_context("spawn")
    for name, pause in (("many chunks in each", 0.0), ("one for each chunk", options.pause)):
        here, there = spawn.Pipe()
        server = spawn.Process(target=run_server, args=(pause, there), daemon=True)
        server.start()
        figures = asyncio.run(measure(f"http://127.0.0.1:{here.recv()}/v1", options.rounds))
        server.terminate()
        bare, *others = figures.values()
        table.add_row(name, f"{bare / CHUNKS * 1e6:.0f}", *(f"{other / bare:.2f}" for other in others))
    Console().print(table)


if __name__ == "__main__":
    main()
