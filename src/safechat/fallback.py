"""Fallback: the next model, when the one before it cannot answer.

Each target has a circuit breaker, which keeps a model that is down from costing every call its time limit.
Requests that are wrong stay wrong: they never fall back. Not here: when a circuit opens and closes
(breaker.py), the same model again (retry.py).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from safechat.breaker import BreakerPolicy, CircuitBreaker
from safechat.errors import (
    NO_FIT,
    ChatError,
    CircuitOpen,
    ConnectionFailed,
    EmptyReply,
    MalformedReply,
    ModelUnavailable,
    RequestTimedOut,
    ServerError,
)
from safechat.log.events import event
from safechat.log.record import CallRecord, call_record
from safechat.messages import ChatReply, ChatRequest, Handler
from safechat.runtime import clock

# What says that a target is sick. Not a wrong request, and not a 429: that has its own pause.
_SICK = (ServerError, ConnectionFailed, RequestTimedOut, MalformedReply, EmptyReply, ModelUnavailable)


@dataclass(frozen=True, slots=True)
class Target:
    """A model, and the handler that reaches it."""

    handler: Handler
    model: str


class Fallback:
    """The layer. `next` gets the request's own model, then the `fallbacks` come in their order."""

    def __init__(
        self, next: Handler, fallbacks: Sequence[Target] = (), breaker: BreakerPolicy | None = None
    ) -> None:
        self._next = next
        self._fallbacks = tuple(fallbacks)
        self._policy = breaker or BreakerPolicy()
        self._guarded: dict[Target, Guarded] = {}

    async def __call__(self, request: ChatRequest) -> ChatReply:
        """The first reply. Raises the error of the last target that was tried, or at once one that
        no other model would mend. The reply's `model` and `attempts` say what it took."""
        failed: list[tuple[ChatError, int]] = []  # with the requests that the target took
        with call_record() as record:
            for target in self._targets(request.model):
                if failed:
                    if request.deadline is not None and clock.now() >= request.deadline:
                        break
                    log_fallback(failed[-1][0], target.model)
                before = record.requests
                try:
                    return record.counted(await target(request))
                except ChatError as error:
                    failed.append((error, record.requests - before))
                    if not error.falls_back:
                        break
            raise last_error(failed, record)

    def _targets(self, model: str) -> list[Guarded]:
        targets = dict.fromkeys((Target(self._next, model), *self._fallbacks))
        return [self._guarded.setdefault(target, Guarded(target, self._policy)) for target in targets]


class Guarded:
    """The handler of a target behind its circuit breaker, which says whether the target is asked at all."""

    def __init__(self, target: Target, policy: BreakerPolicy) -> None:
        self.model = target.model
        self._handler = target.handler
        self._breaker = CircuitBreaker(policy)

    async def __call__(self, request: ChatRequest) -> ChatReply:
        """The target's reply or error; CircuitOpen, at once, while it is left alone."""
        permit = self._breaker.permit(clock.now())
        if permit is None:
            raise left_alone(self.model, self._breaker.closed_in(clock.now()))
        with permit, call_record() as record:
            failures, requests = len(record.failures), record.requests
            try:
                reply = await self._handler(replace(request, model=self.model))
            except ChatError as error:
                record.add(error)
                if is_sick(error):  # a 401 or a 429 on the way says nothing about the target
                    others = sum(not isinstance(failure, _SICK) for failure in record.failures[failures:])
                    sick = record.requests - requests - others
                    self._settle(lambda now: permit.failed(now, sick))
                raise
            self._settle(permit.answered)
            return reply

    def _settle(self, decide: Callable[[float], None]) -> None:
        """A decision of the breaker, with an event where it opens or closes the circuit."""
        now = clock.now()
        before = self._breaker.state(now)
        decide(now)
        if (after := self._breaker.state(now)) != before:
            event(logging.WARNING, "chat.breaker", model=self.model, was=before, state=after)


def left_alone(model: str, seconds: float) -> CircuitOpen:
    """The error of a call that was not let through."""
    return CircuitOpen(
        f"{model}: left alone for {seconds:.1f} s more, for it failed too often just now",
        model=model,
        retry_after=seconds,
        attempts=0,
    )


def is_sick(error: ChatError) -> bool:
    """Whether `error` says that the target is sick. A schema that an answer does not fit is the caller's."""
    return isinstance(error, _SICK) and error.code != NO_FIT


def log_fallback(error: ChatError, next_model: str) -> None:
    event(
        logging.WARNING,
        "chat.fallback",
        model=error.model,
        kind=error.kind,
        status=error.status,
        next_model=next_model,
    )


def last_error(failed: Sequence[tuple[ChatError, int]], record: CallRecord) -> ChatError:
    """The error of the last target; where there were several, its message begins with all of them."""
    last, _ = failed[-1]
    if len(failed) > 1:
        targets = ", ".join(f"{error.model} {error.kind} ×{requests}" for error, requests in failed)
        last.args = (f"no model answered ({targets}); the last: {last}",)
    last.attempts = record.requests
    return last
