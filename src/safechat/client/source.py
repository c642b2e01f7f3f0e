"""Where the prompts of a map come from: an iterable that is pulled beside the answers.

It is never more than `ahead` items ahead: each item that is taken at the other
end allows one more. Not here: the calls (map.py).
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterable, Callable, Iterable
from contextvars import copy_context
from queue import SimpleQueue
from typing import Generic, Self, TypeVar

T = TypeVar("T")

End = Callable[[BaseException | None], None]
"""Called once, with what the iterable raised, or with None."""


class ThreadSource(Generic[T]):
    """An iterable that is pulled in its own thread: one that blocks holds nobody else up.

    The thread has the context variables of who enters. Leaving does not wait for
    it: it ends when the iterable gives its next item.
    """

    def __init__(self, items: Iterable[T], ahead: int, hand_over: Callable[[T], None], end: End) -> None:
        self._items = items
        self._hand_over = hand_over
        self._end = end
        self._stopped = False
        self._permits: SimpleQueue[bool] = SimpleQueue()
        for _ in range(ahead):
            self._permits.put(True)

    def allow_one_more(self) -> None:
        self._permits.put(True)

    def __enter__(self) -> Self:
        run = copy_context().run
        threading.Thread(target=run, args=(self._pull,), name="safechat-map", daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped = True
        self._permits.put(False)

    def _pull(self) -> None:
        try:
            items = iter(self._items)
            while self._permits.get() and not self._stopped:
                self._hand_over(next(items))
        except StopIteration:
            self._end(None)
        except BaseException as error:  # also a KeyboardInterrupt: it is for who takes the answers
            self._end(error)


class TaskSource(Generic[T]):
    """An asynchronous iterable that is pulled in its own task, in its event loop (asyncio's)."""

    def __init__(self, items: AsyncIterable[T], ahead: int, hand_over: Callable[[T], None], end: End) -> None:
        self._items = items
        self._hand_over = hand_over
        self._end = end
        self._permits = asyncio.Semaphore(ahead)

    def allow_one_more(self) -> None:
        self._permits.release()

    def __enter__(self) -> Self:
        self._task = asyncio.create_task(self._pull())
        return self

    def __exit__(self, *_: object) -> None:
        self._task.cancel()

    async def _pull(self) -> None:
        try:
            items = aiter(self._items)
            while await self._permits.acquire():
                self._hand_over(await anext(items))
        except StopAsyncIteration:
            self._end(None)
        except BaseException as error:
            self._end(error)
            if isinstance(error, asyncio.CancelledError):
                raise
