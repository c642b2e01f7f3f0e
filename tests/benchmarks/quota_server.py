"""A chat API with a quota, for benchmarks: `python quota_server.py RATE BURST [--costs] [--headers]`.

A token bucket of BURST, filled with RATE a second. Prints its port. A refused
request gets the true wait as `retry-after-ms`; with --costs it costs quota too.
With --headers every answer names limit (a minute's, as OpenAI's does; with
--limit-is-burst that of the bucket), remaining and reset.
`GET /stats` counts the requests so far. A request to /responses is answered by a response.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import time

ANSWER = json.dumps(
    {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": "m",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "ok"}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 9, "completion_tokens": 1, "total_tokens": 10},
    }
).encode()
_PART = {"type": "output_text", "text": "ok", "annotations": []}
RESPONSE = json.dumps(
    {
        "id": "resp_1",
        "object": "response",
        "created_at": 1,
        "status": "completed",
        "model": "m",
        "output": [
            {"type": "message", "id": "msg_1", "status": "completed", "role": "assistant", "content": [_PART]}
        ],
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
        "usage": {
            "input_tokens": 9,
            "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
            "output_tokens": 1,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": 10,
        },
    }
).encode()
REFUSAL = json.dumps({"error": {"message": "Rate limit", "code": "rate_limit_exceeded"}}).encode()


class Quota:
    def __init__(self, rate: float, burst: float, costs: bool, headers: bool, limit_is_burst: bool) -> None:
        self.rate, self.burst, self.costs, self.headers = rate, burst, costs, headers
        self.limit = burst if limit_is_burst else rate * 60
        self.level = burst
        self.delay = 0.02
        self.updated = time.monotonic()
        self.answered = self.refused = self.under_way = self.most = 0

    def answer(self, body: bytes) -> bytes:
        """`body`, while there is room."""
        now = time.monotonic()
        self.level = min(self.burst, self.level + (now - self.updated) * self.rate)
        self.updated = now
        allowed = self.level >= 1
        if allowed or self.costs:
            self.level -= 1
        extra = ""
        if self.headers:
            remaining, reset = max(0, math.floor(self.level)), (self.burst - self.level) / self.rate
            extra = (
                f"x-ratelimit-limit-requests: {self.limit:.0f}\r\n"
                f"x-ratelimit-remaining-requests: {remaining}\r\n"
                f"x-ratelimit-reset-requests: {reset * 1000:.0f}ms\r\n"
            )
        if allowed:
            self.answered += 1
            return _http("200 OK", body, extra)
        self.refused += 1
        wait = (1 - self.level) / self.rate * 1000
        extra += f"retry-after: {math.ceil(wait / 1000)}\r\nretry-after-ms: {math.ceil(wait)}\r\n"
        return _http("429 Too Many Requests", REFUSAL, extra)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while request := await reader.readline():
            length = 0
            while (line := (await reader.readline()).strip()) != b"":
                name, _, value = line.partition(b":")
                length = int(value) if name.lower() == b"content-length" else length
            await reader.readexactly(length)
            if request.startswith(b"GET /stats"):
                stats = {"answered": self.answered, "refused": self.refused, "most": self.most}
                writer.write(_http("200 OK", json.dumps(stats).encode(), ""))
                continue
            self.under_way += 1
            self.most = max(self.most, self.under_way)
            answer = self.answer(RESPONSE if b"/responses " in request else ANSWER)
            await asyncio.sleep(self.delay)
            self.under_way -= 1
            writer.write(answer)
        writer.close()


def _http(status: str, body: bytes, headers: str) -> bytes:
    head = (
        f"HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n{headers}\r\n"
    )
    return head.encode() + body


async def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("rate", type=float)
    parser.add_argument("burst", type=float)
    parser.add_argument("--costs", action="store_true")
    parser.add_argument("--headers", action="store_true")
    parser.add_argument("--limit-is-burst", action="store_true")
    parser.add_argument("--delay", type=float, default=0.02, help="Seconds that an answer takes.")
    options = parser.parse_args()
    quota = Quota(options.rate, options.burst, options.costs, options.headers, options.limit_is_burst)
    quota.delay = options.delay
    server = await asyncio.start_server(quota.serve, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
