"""Guarded: a target behind its circuit breaker, so that a model which is down costs no call its time limit.

What is a failure of the target is decided here, and what is the caller's own. Not here: when a circuit opens
and closes (breaker.py), asking the next model (fallback.py).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial

from safechat.breaker import BreakerPolicy, CircuitBreaker, Permit, State, refuses_for
from safechat.errors import (
    NO_FIT,
    ChatError,
    CircuitOpen,
    ConnectionFailed,
    MalformedReply,
    ModelUnavailable,
    RequestTimedOut,
    ServerError,
)
from safechat.log.call_record import CallRecord, call_record
from safechat.log.events import event
from safechat.log.gauges import Reading, show
from safechat.messages import ChatReply, ChatRequest, Handler
from safechat.runtime import clock

# What says that a target is sick. A wrong request and an answer without text are the caller's own, and a 429
# has its own pause.
_SICK = (ServerError, ConnectionFailed, RequestTimedOut, MalformedReply, ModelUnavailable)


class Guarded:
    """The handler of one model, which is left alone while its circuit is open.

    `timeout` is the wrapper's own time limit for an attempt, in seconds. A call that has less, and one that
    is `hurried`, say nothing about the model when their time runs out.
    """

    def __init__(self, next: Handler, model: str, policy: BreakerPolicy, timeout: float = 0.0) -> None:
        self.model = model
        self.breaker = CircuitBreaker(policy)
        self._next = next
        self._timeout = timeout
        self._under_way: dict[asyncio.Timeout, CallRecord] = {}
        show(self)

    async def __call__(self, request: ChatRequest, *, hurried: bool = False) -> ChatReply:
        """The next handler's reply or error; CircuitOpen at once while the model is left alone, also for a
        call that still waits for its turn when the circuit opens."""
        permit = self.breaker.permit(clock.now())
        if permit is None:
            raise left_alone(self.model, refuses_for(self.breaker, clock.now()))
        with permit, call_record() as record:
            began = partial(self._decide, permit.begins_to_answer)
            waited = record.waited
            try:
                reply = await self._unless_opened(addressed(request, self.model, began), record)
            except ChatError as error:
                record.add(error)
                if is_sick(error, request, self._timeout):
                    self._decide(permit.failed)
                raise
            except asyncio.CancelledError:
                if not hurried and ran_out(request, permit, record.waited - waited):
                    self._decide(permit.failed)
                raise
            self._decide(permit.answered)
            return reply

    def readings(self) -> Iterable[Reading]:
        """The state of the circuit as a number. It is half-open while one call tries the model."""
        breaker = self.breaker
        state = 0 if breaker.open_until is None else 2 if breaker.probe is None else 1
        return [("breaker.state", self.model, state)]

    async def _unless_opened(self, request: ChatRequest, record: CallRecord) -> ChatReply:
        """The next handler's reply, unless the circuit opens while no request of this call is under way."""
        try:
            async with asyncio.timeout(None) as patience:
                self._under_way[patience] = record
                try:
                    return await self._next(request)
                finally:
                    del self._under_way[patience]
        except TimeoutError:
            if not patience.expired():
                raise
        record.waiting = False
        raise left_alone(self.model, refuses_for(self.breaker, clock.now()))

    def _decide(self, decision: Callable[[float], None]) -> None:
        now = clock.now()
        before = self.breaker.state(now)
        decision(now)
        after = self.breaker.state(now)
        log_change(self.model, before, after)
        if before != after == "open":
            self._send_back_who_waits(now)

    def _send_back_who_waits(self, now: float) -> None:
        for patience, record in self._under_way.items():
            if record.waiting:
                patience.reschedule(now)


def addressed(request: ChatRequest, model: str, begun: Callable[[], None]) -> ChatRequest:
    """The request, for `model`; `begun` is called when its stream begins."""
    if request.model != model:
        request = replace(request, model=model)
    return request if request.on_piece is None else request.also_on_start(lambda _: begun())


def log_change(model: str, before: State, after: State) -> None:
    """An event where the circuit opened or closed."""
    if before != after:
        event(logging.WARNING, "chat.breaker", model=model, was=before, state=after)


def left_alone(model: str, seconds: float) -> CircuitOpen:
    """The error of a call that was not let through."""
    return CircuitOpen(
        f"{model}: left alone for {seconds:.1f} s more, for it failed too often just now",
        model=model,
        retry_after=seconds,
        attempts=0,
    )


def is_sick(error: ChatError, request: ChatRequest, timeout: float) -> bool:
    """Whether `error` says that the model is sick.

    Not where the call's own `timeout` is shorter than the wrapper's, nor where an answer does not fit the
    caller's own schema.
    """
    if isinstance(error, RequestTimedOut) and request.timeout < timeout:
        return False
    return isinstance(error, _SICK) and error.code != NO_FIT


def ran_out(request: ChatRequest, permit: Permit, waited: float) -> bool:
    """Whether a call that was cut off had its time run out while the model was silent.

    Not when its answer had begun, nor when it `waited` most of these seconds, for its turn or for a key.
    """
    now = clock.now()
    if request.deadline is None or now < request.deadline or permit.answering:
        return False
    return waited <= (now - permit.began) / 2
