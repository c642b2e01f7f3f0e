"""Deadline: the layer that ends a call at its deadline, wherever it is.

The other layers fail earlier where they can tell that they would be late; this
one holds when they cannot. Not here: the time limit of an attempt (call/layer.py).
"""

from __future__ import annotations

import anyio

from safechat.errors import ChatError, DeadlineExceeded
from safechat.log.call_record import CallRecord, call_record
from safechat.messages import ChatReply, ChatRequest, Handler
from safechat.runtime import clock

# Seconds. A call that has less left, because it waited in a queue, is not sent.
_LEAST = 0.001


class Deadline:
    """The layer. `request.deadline` is on the event loop's clock."""

    def __init__(self, next: Handler) -> None:
        self._next = next

    async def __call__(self, request: ChatRequest) -> ChatReply:
        """The next handler's reply; else its error, or DeadlineExceeded, with `failures` filled in."""
        if request.deadline is None:
            return await self._next(request)
        with call_record() as record:
            if request.deadline - clock.now() < _LEAST:
                raise deadline_exceeded(request, record, asked=False)
            try:
                with anyio.CancelScope(deadline=request.deadline):
                    return await self._next(request)
            except ChatError as error:
                error.failures = tuple(failure for failure in record.failures if failure is not error)
                raise
            raise deadline_exceeded(request, record, asked=not record.waiting)


def deadline_exceeded(request: ChatRequest, record: CallRecord, *, asked: bool) -> DeadlineExceeded:
    """The error of a call whose time is over; the failures before it are in it.

    `asked` says whether a request was under way then.
    """
    assert request.deadline is not None
    seconds = f"{round(request.deadline - record.began, 2):.3g} s"
    attempts = record.requests + int(asked)
    failures = tuple(record.failures)
    before = f"; before that: {failures[-1]}" if failures else ""
    what = "did not finish within" if attempts else "was not sent, it waited for its turn until"
    error = DeadlineExceeded(
        f"{request.model}: the call {what} its deadline of {seconds}{before}",
        model=request.model,
        attempts=attempts,
        sent=attempts > 0,
    )
    error.failures = failures
    return error
