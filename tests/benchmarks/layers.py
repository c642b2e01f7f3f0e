"""What the layers cost a call, on a stub handler.  python tests/benchmarks/layers.py

Microseconds a call above the bare stub, the median of several rounds, and the
same in parts of what the openai SDK itself takes for a call on a mocked wire.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Callable

import httpx2
import openai
from rich.console import Console
from rich.table import Table

from safechat import ChatReply, ChatRequest, RateLimits, Usage
from safechat.fallback import Fallback
from safechat.limits.layer import Limited
from safechat.limits.quota import Quotas
from safechat.messages import Handler
from safechat.retry import Retried
from safechat.telemetry import Telemetry

CALLS, ROUNDS = 2000, 15
REPLY = ChatReply("ok", "m", usage=Usage(9, 1, 10))
LIMITS = RateLimits(1e9, 1e12)
telemetry = Telemetry()
BODY = {
    "id": "1", "object": "chat.completion", "created": 1, "model": "gpt-5-mini-2025-08-07",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "ok"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 9, "completion_tokens": 1, "total_tokens": 10},
}  # fmt: skip


async def stub(_: ChatRequest) -> ChatReply:
    return REPLY


STACKS: dict[str, Callable[[], Handler]] = {
    "the stub alone": lambda: stub,
    "Limited": lambda: Limited(stub, Quotas(LIMITS)),
    "Retried": lambda: Retried(stub),
    "Fallback": lambda: Fallback(stub),
    "Fallback(Retried(Limited))": lambda: Fallback(Retried(Limited(stub, Quotas(LIMITS)))),
    "telemetry, and no SDK of it set up": lambda: telemetry.traced(telemetry.measured(stub, None)),
}


def sdk() -> Handler:
    transport = httpx2.MockTransport(lambda request: httpx2.Response(200, json=BODY))
    client = openai.AsyncOpenAI(api_key="sk-benchmark", http_client=httpx2.AsyncClient(transport=transport))

    async def call(_: ChatRequest) -> ChatReply:
        await client.chat.completions.create(model="m", messages=[{"role": "user", "content": "x"}])
        return REPLY

    return call


async def microseconds(handler: Handler, calls: int) -> float:
    request = ChatRequest(({"role": "user", "content": "Merhaba"},), "m", deadline=time.monotonic() + 3600)
    started = time.perf_counter()
    for _ in range(calls):
        await handler(request)
    return (time.perf_counter() - started) / calls * 1e6


async def main() -> None:
    handlers = {name: build() for name, build in STACKS.items()}
    sdk_call = sdk()
    times: dict[str, list[float]] = {name: [] for name in [*handlers, "SDK"]}
    for _ in range(ROUNDS):  # the rounds alternate, so that noise meets all alike
        for name, handler in handlers.items():
            times[name].append(await microseconds(handler, CALLS))
        times["SDK"].append(await microseconds(sdk_call, CALLS // 10))
    bare, whole = statistics.median(times["the stub alone"]), statistics.median(times["SDK"])
    table = Table("", "µs a call", "of the SDK's own")
    for name in STACKS:
        cost = statistics.median(times[name]) - bare
        table.add_row(name, f"{cost:.1f}", f"{cost / whole:.1%}")
    table.add_row("the openai SDK, for comparison", f"{whole:.0f}", "100 %")
    Console().print(table)


if __name__ == "__main__":
    asyncio.run(main())
