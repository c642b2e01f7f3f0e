"""Handlers that stand for an API behind Limited, on the virtual clock, and what is sent to them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from safechat import ChatReply, ChatRequest, RateLimits, Usage, errors
from safechat.limits.layer import Limited
from safechat.limits.quota import Quotas
from virtual_time import now


def request(text: str = "Merhaba", model: str = "m", **fields: Any) -> ChatRequest:
    return ChatRequest(messages=({"role": "user", "content": text},), model=model, **fields)


def of_tokens(tokens: int, **fields: Any) -> ChatRequest:
    """A request that is estimated at `tokens`, and whose reply (see Server) counts the same."""
    return request("x" * 2 * (tokens - 7), **fields)


def limited(server: Callable[[ChatRequest], Any], **limits: Any) -> Limited:
    return Limited(server, Quotas(RateLimits(**limits), random=lambda: 0.0))


async def gathered(layer: Limited, *requests: ChatRequest) -> list[object]:
    """The outcome of each request, errors too; all are sent at once."""
    return await asyncio.gather(*(layer(request) for request in requests), return_exceptions=True)


def headers(limit: int, remaining: int = 100, reset: str = "1s", kind: str = "requests") -> dict[str, str]:
    return {
        f"x-ratelimit-limit-{kind}": str(limit),
        f"x-ratelimit-remaining-{kind}": str(remaining),
        f"x-ratelimit-reset-{kind}": reset,
    }


class Server:
    """Answers after `seconds`, and remembers when each call came."""

    def __init__(self, seconds: float = 0.0, **reply: Any) -> None:
        self.seconds = seconds
        self.reply = reply
        self.arrivals: list[float] = []
        self.texts: list[str] = []
        self.under_way = self.most = 0

    async def __call__(self, request: ChatRequest) -> ChatReply:
        self.arrivals.append(now())
        text = request.messages[0]["content"]
        assert isinstance(text, str)
        self.texts.append(text)
        prompt = len(text) // 2 + 7
        fields: dict[str, Any] = {"usage": Usage(prompt, 0, prompt), **self.reply}
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        try:
            await self.work(request)
        finally:
            self.under_way -= 1
        return ChatReply(text="tamam", model=request.model, **fields)

    async def work(self, request: ChatRequest) -> None:
        await asyncio.sleep(self.seconds)

    def most_in(self, seconds: float) -> int:
        """The most calls that came within any such span."""
        return max(
            sum(start <= arrival < start + seconds for arrival in self.arrivals) for start in self.arrivals
        )


class Refusing(Server):
    """Answers 429 to the calls whose numbers it is given, with a Retry-After."""

    def __init__(self, refused: dict[int, float | None], **options: Any) -> None:
        super().__init__(**options)
        self.refused = refused

    async def __call__(self, request: ChatRequest) -> ChatReply:
        number = len(self.arrivals)
        reply = await super().__call__(request)
        if number in self.refused:
            raise errors.RateLimited("429", status=429, retry_after=self.refused[number], model=request.model)
        return reply


class Streaming(Refusing):
    """Streams `pieces`: the first after `first` seconds, the others evenly until `seconds` are over."""

    def __init__(
        self, refused: dict[int, float | None], *, first: float, pieces: int = 6, **options: Any
    ) -> None:
        super().__init__(refused, **options)
        self.first = first
        self.pieces = pieces

    async def work(self, request: ChatRequest) -> None:
        if len(self.arrivals) - 1 in self.refused:
            return
        seen, gap = self.reply.get("headers", {}), (self.seconds - self.first) / self.pieces
        await asyncio.sleep(self.first)
        if request.on_start is not None:
            request.on_start(seen)
        for _ in range(self.pieces):
            if request.on_piece is not None:
                await request.on_piece("x")
            await asyncio.sleep(gap)


async def read(_: str) -> None:
    """A consumer that takes each piece at once."""
