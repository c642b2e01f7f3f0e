"""Inbox: hands things from any thread to an event loop. Not here: starting that loop (loop.py)."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Generic, TypeVar

T = TypeVar("T")

_MOST_AT_ONCE = 200  # things; then the loop gets to its other work


class Inbox(Generic[T]):
    """Calls `handle(thing)` in `loop` for every thing that is put in, in their order.

    Waking a loop costs more than most things take to handle, so one wake-up serves all that are there by
    then. A hundred thousand things at once do not hold the loop up: it handles a few, and goes round.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, handle: Callable[[T], object]) -> None:
        self._loop = loop
        self._handle = handle
        self._things: deque[T] = deque()
        self._is_awake = False

    def put(self, thing: T) -> None:
        """From any thread. Nothing happens where the loop has ended."""
        self._things.append(thing)
        self._wake()

    def _wake(self) -> None:
        if not self._is_awake:
            self._is_awake = True
            with suppress(RuntimeError):  # the loop has ended, and all that was in it
                self._loop.call_soon_threadsafe(self._work)

    def _work(self) -> None:
        self._is_awake = False  # first, so that what comes from now on wakes the loop again
        for _ in range(min(len(self._things), _MOST_AT_ONCE)):
            self._handle(self._things.popleft())
        if self._things:
            self._wake()
