"""Runs a blocking function in a daemon thread, from an event loop.

anyio.to_thread would not do: its threads are not daemons, and a program whose
loop runs in the background would wait for them at its end, for ever. Not here:
how many run at once. As many do as calls are under way (limits/), and those
whose client ignores its time limit after its call is over.
"""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import Callable
from typing import TypeVar, cast

T = TypeVar("T")


async def in_thread(function: Callable[[], T], *, unwanted: Callable[[T], object] | None = None) -> T:
    """The result of `function()`, run with the caller's context variables.

    A cancelled caller goes on at once; the function runs to its own end, and
    what it returns or raises then is dropped, or given to `unwanted`. Where the caller is cancelled at the
    moment of the call, the function does not run.
    """
    await asyncio.sleep(0)
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()
    context = contextvars.copy_context()

    def settle(result: T | None, exception: BaseException | None) -> None:
        if future.done():
            if unwanted is not None and exception is None:
                unwanted(cast(T, result))
            return
        if exception is None:
            future.set_result(cast(T, result))
        elif isinstance(exception, StopIteration):  # a future refuses to hold one
            future.set_exception(RuntimeError(f"StopIteration: {exception}"))
        else:
            future.set_exception(exception)

    def work() -> None:
        result, raised = None, None
        try:
            result = context.run(function)
        except BaseException as exception:
            raised = exception
        try:
            loop.call_soon_threadsafe(settle, result, raised)
        except RuntimeError:
            if not loop.is_closed():
                raise

    threading.Thread(target=work, name="safechat-call", daemon=True).start()
    return await future
