"""How exactly do processes keep limits that they share?

    PYTHONPATH=tests/safechat python tests/benchmarks/shared.py [ROW…]

Four processes for eight seconds, with more calls than the limits allow, on a Redis of its own. Shown are what
the limits allow, how many calls went (or tokens were used, or calls were answered), the most in any second,
and the calls that failed. Redis is killed, or hung, for three of the seconds; one process is killed. Last,
how much more CPU a call takes than without Redis.
"""

from __future__ import annotations

import asyncio
import json
import random
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.table import Table

from redis_servers import OwnServer, server_program
from safechat import ChatError, ChatReply, ChatRequest, RateLimits, RedisLimits, Usage
from safechat.limits.layer import Limited
from safechat.limits.quota import Quotas

PROCESSES, SECONDS = 4, 8.0


@dataclass(frozen=True)
class Row:
    """One line of the table. `what` happens after 2.5 s: to Redis for 3 s, or to one process."""

    limits: dict[str, Any]
    allowed: float
    unit: str = "calls"
    answer_seconds: float = 0.05
    tokens: int = 20
    what: str = ""


REQUESTS = {"requests_per_minute": 1200, "concurrency": 100}
TOKENS = {"tokens_per_minute": 600_000, "concurrency": 100}
SLOTS = {"requests_per_minute": 600_000, "concurrency": 10}
ROWS = {
    "1,200 requests a minute": Row(REQUESTS, 160),
    "600,000 tokens a minute": Row(TOKENS, 80_000, "tokens", tokens=1000),
    "600,000 tokens, an estimate of 4,000": Row(TOKENS, 80_000, "tokens", tokens=4000, answer_seconds=0.3),
    "10 at once": Row(SLOTS, 800, answer_seconds=0.1),
    "one process killed": Row(REQUESTS, 160, what="kill one"),
    "Redis killed for 3 s": Row(REQUESTS, 160, what="kill"),
    "Redis hung for 3 s": Row(REQUESTS, 160, what="hang"),
    "10 at once, Redis killed for 3 s": Row(SLOTS, 800, answer_seconds=0.1, what="kill"),
    "10 at once, Redis hung for 3 s": Row(SLOTS, 800, answer_seconds=0.1, what="hang"),
}


async def work(row: Row, url: str, name: str, begins: float) -> None:
    """One process: print a line for each call that is answered, or fails."""
    began: list[tuple[float, float, int]] = []
    dice = random.Random()
    failures = 0

    async def api(request: ChatRequest) -> ChatReply:
        sent = time.time()
        await asyncio.sleep(row.answer_seconds)
        used = row.tokens if row.tokens < 4000 else dice.randrange(200, 1000)
        began.append((sent, time.time(), used))
        print(json.dumps(began[-1]), flush=True)
        return ChatReply("ok", request.model, usage=Usage(used - 1, 1, used))

    quotas = Quotas(RateLimits(**row.limits, shared=RedisLimits(url, name=name)))
    layer = Limited(api, quotas)
    ends = begins + SECONDS

    async def caller() -> None:
        nonlocal failures
        while time.time() < ends:
            deadline = asyncio.get_running_loop().time() + 30
            request = ChatRequest(
                messages=({"role": "user", "content": "Merhaba"},), model="m", deadline=deadline,
                params={"max_completion_tokens": row.tokens - 10},
            )  # fmt: skip
            try:
                await layer(request)
            except ChatError as error:
                failures += 1
                print(json.dumps(str(error)), flush=True)

    await asyncio.sleep(begins - time.time())
    callers = [asyncio.ensure_future(caller()) for _ in range(25)]
    await asyncio.wait(callers, timeout=max(0, ends - time.time()))
    for task in callers:
        task.cancel()
    await asyncio.wait(callers)
    await quotas.aclose()


def run(name: str, row: Row) -> tuple[list[tuple[float, float, int]], list[str], float]:
    """The calls, the failures, and when it began."""
    server = OwnServer(str(server_program()))
    command = [sys.executable, __file__, "--work", name, server.url]
    workers = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8")
        for _ in range(PROCESSES)
    ]
    for worker in workers:
        assert worker.stdout is not None
        assert worker.stdout.readline() == "ready\n"
    begins = time.time() + 0.5
    for worker in workers:
        assert worker.stdin is not None
        print(begins, file=worker.stdin, flush=True)
    lines: list[str] = []

    def read(worker: subprocess.Popen[str]) -> None:
        assert worker.stdout is not None
        lines.extend(worker.stdout)

    readers = [threading.Thread(target=read, args=(worker,)) for worker in workers]
    for reader in readers:
        reader.start()
    time.sleep(begins + 2.5 - time.time())
    if row.what == "kill one":
        workers[0].kill()
    elif row.what == "kill":
        server.kill()
        time.sleep(3)
        server.start()
    elif row.what == "hang":
        server.pause()
        time.sleep(3)
        server.resume()
    for reader, worker in zip(readers, workers, strict=True):
        reader.join()
        worker.wait()
    server.stop()
    told = [json.loads(line) for line in lines]
    return (
        [tuple(call) for call in told if isinstance(call, list)],
        [text for text in told if isinstance(text, str)],
        begins,
    )


def most_in_a_second(moments: list[tuple[float, int]]) -> int:
    moments.sort()
    most = total = first = 0
    for moment, amount in moments:
        total += amount
        while moments[first][0] <= moment - 1:
            total -= moments[first][1]
            first += 1
        most = max(most, total)
    return most


async def seconds_a_call(url: str, *, shared: bool) -> float:
    async def api(request: ChatRequest) -> ChatReply:
        return ChatReply("ok", request.model, usage=Usage(9, 1, 10))

    limits = RateLimits(6e7, 6e9, shared=RedisLimits(url, name="cost") if shared else None)
    layer = Limited(api, quotas := Quotas(limits))
    request = ChatRequest(messages=({"role": "user", "content": "Merhaba"},), model="m")
    for _ in range(200):
        await layer(request)
    began = time.process_time()
    for _ in range(2000):
        await layer(request)
    seconds = (time.process_time() - began) / 2000
    await quotas.aclose()
    return seconds


def main(names: list[str]) -> None:
    table = Table("four processes, 8 s", "allowed", "went", "of it", "most in 1 s", "failures")
    for name in names or ROWS:
        row = ROWS[name]
        calls, failures, began = run(name, row)
        calls = [call for call in calls if call[0] < began + SECONDS]
        amounts = [(sent, used if row.unit == "tokens" else 1) for sent, _, used in calls]
        went = sum(amount for _, amount in amounts)
        table.add_row(
            name, f"{row.allowed:,.0f} {row.unit}", f"{went:,}", f"{went / row.allowed:.1%}",
            f"{most_in_a_second(amounts):,}", str(len(failures)) + "".join(sorted(set(failures))[:1]),
        )  # fmt: skip
    Console().print(table)
    server = OwnServer(str(server_program()))
    alone = asyncio.run(seconds_a_call(server.url, shared=False))
    both = asyncio.run(seconds_a_call(server.url, shared=True))
    server.stop()
    print(f"CPU of this process for a call: {alone * 1e6:.0f} µs alone, {both * 1e6:.0f} µs shared")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--work"]:
        _, _, name, url = sys.argv
        print("ready", flush=True)
        asyncio.run(work(ROWS[name], url, "bench", float(sys.stdin.readline())))
    else:
        main(sys.argv[1:])
