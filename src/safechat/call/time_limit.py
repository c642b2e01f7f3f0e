"""TimeLimit: the time that each piece of a stream may take.

Not here: what the error of it means (translate.py), the time limit of a whole answer (layer.py).
"""

from __future__ import annotations

import asyncio
import math
from types import TracebackType
from typing import Self

from safechat.runtime import clock


class TimeLimit:
    """An `async with` block that raises TimeoutError when `seconds` go by without a `restart`.

    A stream restarts it for every piece. So there is one timer for many of them: when it fires, it is set
    again for what is left of the time.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._timeout = asyncio.timeout(None)
        self._timer: asyncio.TimerHandle | None = None
        self._ends = math.inf

    def restart(self) -> None:
        """From now on `seconds` are left."""
        self._ends = clock.now() + self._seconds
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_at(self._ends, self._look)

    def rest(self) -> None:
        """The time stands still until `restart`."""
        self._ends = math.inf

    def _look(self) -> None:
        self._timer = None
        if self._ends <= clock.now():
            self._timeout.reschedule(self._ends)
        elif self._ends < math.inf:
            self._timer = asyncio.get_running_loop().call_at(self._ends, self._look)

    async def __aenter__(self) -> Self:
        await self._timeout.__aenter__()
        self.restart()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._timer is not None:
            self._timer.cancel()
        await self._timeout.__aexit__(kind, error, traceback)
