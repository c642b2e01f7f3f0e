"""Deadline: the layer that ends a call at its deadline, wherever it is.

The other layers fail earlier where they can tell that they would be late; this
one holds when they cannot. Not here: the time limit of an attempt (call/layer.py).
"""

from __future__ import annotations

import anyio

from safechat.errors import ChatError, DeadlineExceeded
from safechat.log.record import CallRecord, call_record
from safechat.messages import ChatReply, ChatRequest, Handler
from safechat.runtime import clock


class Deadline:
    """The layer. `request.deadline` is on the event loop's clock."""

    def __init__(self, next: Handler) -> None:
        self._next = next

    async def __call__(self, request: ChatRequest) -> ChatReply:
        """The next handler's reply; else its error, or DeadlineExceeded, with `failures` filled in."""
        if request.deadline is None:
            return await self._next(request)
        seconds = request.deadline - clock.now()
        with call_record() as record:
            try:
                with anyio.CancelScope(deadline=request.deadline):
                    return await self._next(request)
            except ChatError as error:
                error.failures = tuple(failure for failure in record.failures if failure is not error)
                raise
            raise deadline_exceeded(request, seconds, record)


def deadline_exceeded(request: ChatRequest, seconds: float, record: CallRecord) -> DeadlineExceeded:
    """The error of a call whose `seconds` are over; the failures before it are in it."""
    failures = tuple(record.failures)
    before = f"; before that: {failures[-1]}" if failures else ""
    error = DeadlineExceeded(
        f"{request.model}: the call did not finish within its deadline of {round(seconds, 2):.3g} s{before}",
        model=request.model,
        attempts=record.requests + (0 if record.waiting else 1),
    )
    error.failures = failures
    return error
