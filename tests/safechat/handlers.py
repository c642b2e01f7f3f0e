"""Requests, and handlers that stand where the API would: they hang, wait, or stream."""

from __future__ import annotations

import asyncio
from typing import Any

from safechat import (
    BreakerPolicy,
    ChatReply,
    ChatRequest,
)
from safechat.fallback import Fallback, Target
from safechat.log.call_record import call_record
from safechat.messages import Handler


def request(**fields: Any) -> ChatRequest:
    return ChatRequest(messages=({"role": "user", "content": "Merhaba"},), model="first", **fields)


def stream(**fields: Any) -> ChatRequest:
    async def on_piece(_: str) -> None:
        pass

    return request(on_piece=on_piece, **fields)


def layer(*handlers: Handler, breaker: BreakerPolicy | None = None) -> Fallback:
    """Fallback over handlers of the models first, second, third and fourth."""
    first, *others = handlers
    names = ["second", "third", "fourth"]
    return Fallback(first, [Target(other, name) for other, name in zip(others, names, strict=False)], breaker)


async def hangs(_: ChatRequest) -> ChatReply:
    """A request that is never answered."""
    await asyncio.sleep(10_000)
    raise AssertionError


def after(seconds: float) -> Handler:
    """A healthy handler that answers after `seconds`."""

    async def answers(request: ChatRequest) -> ChatReply:
        await asyncio.sleep(seconds)
        return ChatReply("ok", request.model)

    return answers


async def waits(_: ChatRequest) -> ChatReply:
    """A request that never leaves."""
    with call_record() as record, record.wait():
        await asyncio.sleep(10_000)
    raise AssertionError


async def waits_and_hangs(request: ChatRequest) -> ChatReply:
    """A request that leaves after 0.9 s, and is never answered."""
    with call_record() as record, record.wait():
        await asyncio.sleep(0.9)
    return await hangs(request)


class Streaming:
    """A handler whose streams begin after `silence` and end `length` later, in seconds."""

    def __init__(self, silence: float, length: float) -> None:
        self.silence = silence
        self.length = length

    async def __call__(self, request: ChatRequest) -> ChatReply:
        await asyncio.sleep(self.silence)
        if request.on_start is not None:
            request.on_start({})
            await asyncio.sleep(self.length)
        return ChatReply("ok", request.model)
