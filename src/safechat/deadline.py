"""Deadline: the layer that ends a call at its deadline, wherever it is.

The other layers fail earlier where they can tell that they would be late; this
one holds when they cannot. Not here: the time limit of an attempt (call.py).
"""

from __future__ import annotations

import anyio

from safechat.errors import ChatError, DeadlineExceeded
from safechat.messages import ChatReply, ChatRequest, Handler


class Deadline:
    """The layer. `request.deadline` is on the event loop's clock."""

    def __init__(self, next: Handler) -> None:
        self._next = next

    async def __call__(self, request: ChatRequest) -> ChatReply:
        """The next handler's reply; else its error, or DeadlineExceeded, with `failures` filled in."""
        if request.deadline is None:
            return await self._next(request)
        seconds = request.deadline - anyio.current_time()
        try:
            with anyio.move_on_after(seconds):
                return await self._next(request)
        except ChatError as error:
            error.failures = tuple(each for each in request.failures if each is not error)
            raise
        failures = tuple(request.failures)
        before = f"; before that: {failures[-1]}" if failures else ""
        late = DeadlineExceeded(
            f"{request.model}: the call did not finish within its deadline of {seconds:.3g} s{before}",
            model=request.model,
            attempts=len(failures) + 1,
        )
        late.failures = failures
        raise late
