"""The clock that deadlines are on, the calendar, and the one switch that lets tests skip waits.

`testing.no_waiting` turns the switch.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, date, datetime

enabled = True


def now() -> float:
    """Seconds on the running event loop's clock."""
    return asyncio.get_running_loop().time()


def today() -> date:
    """This day, in UTC."""
    return datetime.now(UTC).date()


def seconds(wait: float) -> float:
    """`wait`, or 0 while waiting is switched off."""
    return wait if enabled else 0.0


async def sleep(wait: float) -> None:
    """Wait `wait` seconds, or none while waiting is switched off."""
    await asyncio.sleep(seconds(wait))
