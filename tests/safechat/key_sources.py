"""A source of keys and a clock that the tests control."""

from __future__ import annotations

import threading
from collections.abc import Callable

from pydantic import SecretStr

from safechat import Key
from safechat.keys.cache import CachedKeys


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


class Source(CachedKeys):
    """Gives `answer`, or raises it. Counts its reads, and holds them up while `gate` is closed."""

    source = "test"

    def __init__(
        self,
        clock: Callable[[], float],
        *,
        dice: float = 0.5,
        longest_read: float = 30.0,
        ttl: float = 300.0,
        refresh_interval: float = 5.0,
    ) -> None:
        self.answer: BaseException | int = 1
        self.reads = 0
        self.gate = threading.Event()
        self.gate.set()
        super().__init__(
            ttl=ttl,
            refresh_interval=refresh_interval,
            longest_read=longest_read,
            clock=clock,
            random=lambda: dice,
        )

    def _read(self) -> Key:
        self.reads += 1
        answer = self.answer
        assert self.gate.wait(60)
        if isinstance(answer, BaseException):
            raise answer
        return Key(SecretStr(f"sk-number-{answer}-0000000000"), answer)
