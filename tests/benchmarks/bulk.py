"""map over 100,000 prompts from a generator, on a stub.  python tests/benchmarks/bulk.py

Shown are the time to the first answer, the time and the CPU time of all (on a busy
machine only the second compares), the memory that the whole run added at its
highest, and how many prompts were ever pulled ahead of the answers taken.
"""

from __future__ import annotations

import asyncio
import gc
import time
import tracemalloc
from collections.abc import Iterator
from types import SimpleNamespace

from rich.console import Console
from rich.table import Table

from safechat import ChatClientWrapper, RateLimits

PROMPTS, WORKERS = 100_000, 32
ANSWER = {"choices": [{"message": {"content": "ok"}, "finish_reason": "stop"}]}


async def create(**_: object) -> object:
    return ANSWER


STUB = SimpleNamespace(chat=SimpleNamespace(completions=SimpleNamespace(create=create)))


class Source:
    """A generator of prompts that counts how far ahead it is pulled."""

    def __init__(self) -> None:
        self.pulled = self.taken = self.furthest = 0

    def prompts(self) -> Iterator[str]:
        for number in range(PROMPTS):
            self.pulled += 1
            self.furthest = max(self.furthest, self.pulled - self.taken)
            yield f"Soru {number}"


def synchronous(chat: ChatClientWrapper, source: Source) -> float:
    started = time.perf_counter()
    first = 0.0
    for _ in chat.map(source.prompts(), workers=WORKERS):
        first = first or time.perf_counter() - started
        source.taken += 1
    return first


async def asynchronous(chat: ChatClientWrapper, source: Source) -> float:
    started = time.perf_counter()
    first = 0.0
    async for _ in chat.map_async(source.prompts(), workers=WORKERS):
        first = first or time.perf_counter() - started
        source.taken += 1
    return first


def main() -> None:
    table = Table("", "first answer", "all answers", "CPU", "memory added", "pulled ahead at most")
    for name in ("map", "map_async"):
        with ChatClientWrapper(STUB, limits=RateLimits(concurrency=WORKERS)) as chat:
            list(chat.map(["warm", "up"]))
            for traced in (False, True):  # tracing makes it slow: time and memory are two runs
                source = Source()
                gc.collect()
                if traced:
                    tracemalloc.start()
                started, cpu_before = time.perf_counter(), time.process_time()
                first = (
                    synchronous(chat, source) if name == "map" else asyncio.run(asynchronous(chat, source))
                )
                if not traced:
                    seconds, first_ms = time.perf_counter() - started, first * 1000
                    cpu = time.process_time() - cpu_before
            memory = tracemalloc.get_traced_memory()[1] / 1e6
            tracemalloc.stop()
        table.add_row(
            name,
            f"{first_ms:.1f} ms",
            f"{seconds:.1f} s",
            f"{cpu:.1f} s",
            f"{memory:.2f} MB",
            str(source.furthest),
        )
    Console().print(table)


if __name__ == "__main__":
    main()
