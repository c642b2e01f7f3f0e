"""The one switch for tests: whether waits are waited (testing.py turns it)."""

from __future__ import annotations

import asyncio

enabled = True


def seconds(wait: float) -> float:
    """`wait`, or 0 while waiting is switched off."""
    return wait if enabled else 0.0


async def sleep(wait: float) -> None:
    await asyncio.sleep(seconds(wait))
