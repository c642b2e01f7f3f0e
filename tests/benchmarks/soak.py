"""One wrapper for a long time, on a stub.  python tests/benchmarks/soak.py [ROUNDS]

Each of 100 rounds makes 500 calls, cancels 50 more while they run or wait, and leaves 20 streams half-way:
50,000 calls, 5,000 cancelled ones and 2,000 streams. At the end the wrapper's loop has one task, all slots
of its concurrency are there, and memory is where it was after the first fifth. If not, the exit code is 1.
"""

from __future__ import annotations

import asyncio
import gc
import sys
import time
from collections.abc import AsyncIterator
from types import SimpleNamespace

from rich.console import Console
from rich.table import Table

from safechat import ChatClientWrapper, ChatQueue, RateLimits

ROUNDS, SLOTS = 100, 32
CALLS, CANCELLED, STREAMS = 500, 50, 20  # in a round
ANSWER = {"choices": [{"message": {"content": "ok"}, "finish_reason": "stop"}]}


class Stub:
    """Answers at once; a prompt "hang" is never answered. `hanging` is how many of those there are now."""

    def __init__(self) -> None:
        self.hanging = 0
        self.chat = SimpleNamespace(completions=SimpleNamespace(create=self._create))

    async def _create(self, *, messages: list[dict[str, str]], stream: bool = False, **_: object) -> object:
        if stream:
            return self._pieces()
        if messages[0]["content"] == "hang":
            self.hanging += 1
            try:
                await asyncio.sleep(3600)
            finally:
                self.hanging -= 1
        return ANSWER

    async def _pieces(self) -> AsyncIterator[object]:
        while True:
            await asyncio.sleep(0)
            yield {"choices": [{"delta": {"content": "piece "}}]}


async def until_hanging(stub: Stub, count: int) -> bool:
    """Wait until `count` calls hang; False when they do not within a minute."""
    give_up = time.monotonic() + 60
    while stub.hanging != count and time.monotonic() < give_up:  # noqa: ASYNC110 - another loop counts
        await asyncio.sleep(0.001)
    return stub.hanging == count


async def one_round(chat: ChatClientWrapper, stub: Stub) -> None:
    async for reply in chat.map_async((f"{number}" for number in range(CALLS)), workers=SLOTS):
        assert str(reply) == "ok", reply
    await cancelled_calls(chat, stub)
    for _ in range(STREAMS // 2):
        async with chat.stream_async("a") as stream:
            await anext(stream)
            await anext(stream)
    await asyncio.to_thread(left_streams, chat)


async def cancelled_calls(chat: ChatClientWrapper, stub: Stub) -> None:
    """Half of them called, half of them queued; some run, and the others wait for a slot or a worker."""
    calls = [asyncio.create_task(chat.generate_async("hang")) for _ in range(CANCELLED // 2)]
    async with ChatQueue(chat, workers=4) as queue:
        futures = [await queue.submit("hang") for _ in range(CANCELLED // 2)]
        await until_hanging(stub, CANCELLED // 2 + 4)
        for call in (*calls, *futures):
            call.cancel()
        await asyncio.gather(*calls, *futures, return_exceptions=True)
    assert await until_hanging(stub, 0), f"{stub.hanging} cancelled calls still run"


def left_streams(chat: ChatClientWrapper) -> None:
    for _ in range(STREAMS // 2):
        for _piece in chat.stream("a"):
            break  # the stream is dropped


def blocks() -> int:
    """The pieces of memory that Python holds."""
    gc.collect()
    return sys.getallocatedblocks()


async def tasks_at_the_end(chat: ChatClientWrapper) -> int:
    """The tasks of the wrapper's loop, once what was dropped has ended; the one that counts is not one of
    them."""

    async def others(_: object) -> int:
        return len(asyncio.all_tasks()) - 1

    for _ in range(200):
        count = await chat.dispatcher.run_async(others)
        if count == 1:
            break
        await asyncio.sleep(0.01)
    return count


async def slots_at_the_end(chat: ChatClientWrapper, stub: Stub) -> int:
    """How many calls run at once when more of them come than there are slots."""
    calls = [asyncio.create_task(chat.generate_async("hang")) for _ in range(2 * SLOTS)]
    await until_hanging(stub, SLOTS)
    await asyncio.sleep(0.05)
    slots = stub.hanging
    for call in calls:
        call.cancel()
    await asyncio.gather(*calls, return_exceptions=True)
    return slots


async def soak(rounds: int) -> bool:
    stub = Stub()
    started = time.perf_counter()
    async with ChatClientWrapper(stub, limits=RateLimits(concurrency=SLOTS)) as chat:
        for number in range(rounds):
            await one_round(chat, stub)
            if number == rounds // 5:
                before = blocks()
        growth = blocks() / before - 1
        tasks = await tasks_at_the_end(chat)
        slots = await slots_at_the_end(chat, stub)
    table = Table("calls", "cancelled", "streams left", "seconds", "tasks", "slots", "memory")
    table.add_row(
        *(f"{rounds * count:,}" for count in (CALLS, CANCELLED, STREAMS)),
        f"{time.perf_counter() - started:.0f}",
        f"{tasks}",
        f"{slots} of {SLOTS}",
        f"{growth:+.2%}",
    )
    Console().print(table)
    return tasks == 1 and slots == SLOTS and growth < 0.02


if __name__ == "__main__":
    sys.exit(0 if asyncio.run(soak(int(sys.argv[1]) if sys.argv[1:] else ROUNDS)) else 1)
