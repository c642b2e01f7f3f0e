"""Inbox: hands things from any thread to an event loop. Not here: starting that loop (loop.py)."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")

_here = threading.local()


class Inbox(Generic[T]):
    """Calls `handle(thing)` in `loop` for every thing that is put in, in their order.

    Waking a loop costs more than most things take to handle, so one wake-up serves all that are there by
    then. A hundred thousand things at once do not hold the loop up: it handles `at_once`, and goes round.
    """

    def __init__(
        self, loop: asyncio.AbstractEventLoop, handle: Callable[[T], object], *, at_once: int = 200
    ) -> None:
        self._loop = loop
        self._handle = handle
        self._at_once = at_once
        self._things: deque[T] = deque()
        self._is_awake = False
        self._is_closed = False

    def put(self, thing: T) -> bool:
        """From any thread. False where the loop has ended, or the inbox is closed: it is not handled."""
        self._things.append(thing)
        return self._taken_back(thing) if self._is_closed else self._wake()

    def close(self) -> None:
        """Handle all that is there, now, and nothing that comes later. In the loop."""
        self._is_closed = True
        while self._things:
            self._handle(self._things.popleft())

    def _taken_back(self, thing: T) -> bool:
        """What came while `close` was at work has been handled by it, or is still there."""
        try:
            self._things.remove(thing)
        except ValueError:
            return True
        return False

    def _wake(self) -> bool:
        if not self._is_awake:
            self._is_awake = True
            try:
                self._loop.call_soon_threadsafe(self._work)
            except RuntimeError:  # the loop has ended, and all that was in it
                self._is_awake = False
                return False
        return True

    def _work(self) -> None:
        self._is_awake = False  # first, so that what comes from now on wakes the loop again
        for _ in range(min(len(self._things), self._at_once)):
            self._handle(self._things.popleft())
        if self._things and not self._is_awake:
            self._is_awake = True
            self._loop.call_soon(self._work)


def inbox_here() -> Inbox[Callable[[], object]]:
    """That of the event loop that runs in this thread. It calls what it gets."""
    loop = asyncio.get_running_loop()
    if getattr(_here, "loop", None) is not loop:
        _here.loop, _here.inbox = loop, Inbox(loop, _call)
    inbox: Inbox[Callable[[], object]] = _here.inbox
    return inbox


def _call(step: Callable[[], object]) -> None:
    step()
