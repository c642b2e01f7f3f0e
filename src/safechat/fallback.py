"""Fallback: the next model, when the one before it cannot answer; and the breaker that remembers.

A breaker for each target keeps a model that is down from costing every call its
time limit. Requests that are wrong stay wrong: they never fall back. Not here:
the same model again (retry.py).
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
        self._breakers: dict[Target, CircuitBreaker] = {}

    async def __call__(self, request: ChatRequest) -> ChatReply:
        """The first reply. Raises the error of the last target that was tried, or at once one that
        no other model would mend. The reply's `model` and `attempts` say what it took."""
        failed: list[tuple[ChatError, int]] = []  # with the requests that the target took
        targets = dict.fromkeys((Target(self._next, request.model), *self._fallbacks))
        with call_record() as record:
            for target in targets:
                if failed:
                    if request.deadline is not None and clock.now() >= request.deadline:
                        break
                    _tell(failed[-1][0], target)
                before = record.requests
                try:
                    return record.counted(await self._ask(target, request, record))
                except ChatError as error:
                    failed.append((error, record.requests - before))
                    if not error.falls_back:
                        break
            raise _summed_up(failed, record)

    async def _ask(self, target: Target, request: ChatRequest, record: CallRecord) -> ChatReply:
        breaker = self._breakers.setdefault(target, CircuitBreaker(self._policy))
        probe = breaker.state(clock.now()) == "half_open"
        if not breaker.allows(clock.now()):
            wait = breaker.closed_in(clock.now())
            raise CircuitOpen(
                f"{target.model}: left alone for {wait:.1f} s more, for it failed too often just now",
                model=target.model,
                retry_after=wait,
                attempts=0,
            )
        failures, requests = len(record.failures), record.requests
        try:
            reply = await target.handler(replace(request, model=target.model))
        except ChatError as error:
            record.add(error)
            if not isinstance(error, _SICK) or error.code == NO_FIT:  # a schema is the caller's own
                breaker.released(probe=probe)
            else:  # a 401 or a 429 on the way says nothing of the target
                others = sum(not isinstance(failure, _SICK) for failure in record.failures[failures:])
                sick = record.requests - requests - others
                _told(target, breaker, lambda now: breaker.failed(now, sick, probe=probe))
            raise
        except BaseException:
            breaker.released(probe=probe)
            raise
        _told(target, breaker, lambda _: breaker.answered(probe=probe))
        return reply


def _told(target: Target, breaker: CircuitBreaker, decide: Callable[[float], None]) -> None:
    """A decision of the breaker, with a record where it opens or closes the circuit."""
    now = clock.now()
    before = breaker.state(now)
    decide(now)
    if (after := breaker.state(now)) != before:
        event(logging.WARNING, "chat.breaker", model=target.model, was=before, state=after)


def _tell(error: ChatError, target: Target) -> None:
    event(
        logging.WARNING,
        "chat.fallback",
        model=error.model,
        kind=error.kind,
        status=error.status,
        next_model=target.model,
    )


def _summed_up(failed: Sequence[tuple[ChatError, int]], record: CallRecord) -> ChatError:
    """The last error, with what became of all targets at the head of its message."""
    last, _ = failed[-1]
    if len(failed) > 1:
        targets = ", ".join(f"{error.model} {error.kind} ×{requests}" for error, requests in failed)
        last.args = (f"no model answered ({targets}); the last: {last}",)
    last.attempts = record.requests
    return last
