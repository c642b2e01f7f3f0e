"""The clock that deadlines are on, and the one switch that lets tests skip waits.

`testing.no_waiting` turns the switch.
"""

from __future__ import annotations

import asyncio

enabled = True


def now() -> float:
    """Seconds on the running event loop's clock."""
    return asyncio.get_running_loop().time()


def seconds(wait: float) -> float:
    """`wait`, or 0 while waiting is switched off."""
    return wait if enabled else 0.0


async def sleep(wait: float) -> None:
    """Wait `wait` seconds, or none while waiting is switched off."""
    await asyncio.sleep(seconds(wait))
