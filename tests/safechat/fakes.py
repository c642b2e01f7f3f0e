"""Clients that answer without a network."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from types import SimpleNamespace

from wire import completion


class AsyncFake:
    """Answers each prompt with itself after `seconds`; `fails` says which ones raise, and what."""

    def __init__(self, seconds: float = 0.0, fails: Callable[[str], Exception | None] | None = None) -> None:
        self.seconds = seconds
        self.fails = fails
        self.prompts: list[str] = []
        self.under_way = self.most = 0
        self.gate: threading.Event | None = None
        self.chat = SimpleNamespace(completions=SimpleNamespace(create=self._create))

    async def _create(self, *, messages: list[dict[str, str]], **_: object) -> object:
        prompt = messages[-1]["content"]
        self.prompts.append(prompt)
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        try:
            if self.gate is not None:
                while not self.gate.is_set():  # noqa: ASYNC110 - the gate is a thread's
                    await asyncio.sleep(0.002)
            if self.seconds:
                await asyncio.sleep(self.seconds)
        finally:
            self.under_way -= 1
        if self.fails is not None and (error := self.fails(prompt)) is not None:
            raise error
        return completion(prompt)


async def eventually(condition: Callable[[], bool]) -> None:
    """Wait for another thread's loop to get there."""
    give_up = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < give_up
        await asyncio.sleep(0.002)
