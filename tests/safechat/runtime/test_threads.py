"""in_thread: a blocking function beside an event loop."""

from __future__ import annotations

import asyncio

from safechat.runtime.threads import in_thread


async def test_a_function_whose_caller_is_cancelled_at_the_same_moment_does_not_run() -> None:
    ran: list[int] = []
    task = asyncio.create_task(in_thread(lambda: ran.append(1)))
    asyncio.get_running_loop().call_soon(task.cancel)  # after the first step of the task
    await asyncio.wait([task])
    assert task.cancelled()
    assert ran == []
