"""Fallback: the next model, when the one before it cannot answer; and the breaker that remembers.

A breaker for each target keeps a model that is down from costing every call its
time limit. Requests that are wrong stay wrong: they never fall back. Not here:
the same model again (retry.py).
"""

from __future__ import annotations

import asyncio
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
from safechat.messages import ChatReply, ChatRequest, Handler

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
        failed: list[ChatError] = []
        targets = dict.fromkeys((Target(self._next, request.model), *self._fallbacks))
        for target in targets:
            if failed:
                if request.deadline is not None and _now() >= request.deadline:
                    break
                _tell(failed[-1], target)
            try:
                reply = await self._ask(target, request)
            except ChatError as error:
                failed.append(error)
                if not error.falls_back:
                    break
            else:
                earlier = sum(error.attempts for error in failed)
                return replace(reply, attempts=reply.attempts + earlier) if earlier else reply
        raise _summed_up(failed)

    async def _ask(self, target: Target, request: ChatRequest) -> ChatReply:
        breaker = self._breakers.setdefault(target, CircuitBreaker(self._policy))
        probe = breaker.state(_now()) == "half_open"
        if not breaker.allows(_now()):
            wait = breaker.closed_in(_now())
            raise CircuitOpen(
                f"{target.model}: left alone for {wait:.1f} s more, for it failed too often just now",
                model=target.model,
                retry_after=wait,
                attempts=0,
            )
        before = len(request.failures)
        try:
            reply = await target.handler(replace(request, model=target.model))
        except _SICK as error:
            if error.code == NO_FIT:  # the caller's own schema: the target is well
                breaker.released(probe=probe)
            else:
                others = sum(not isinstance(each, _SICK) for each in request.failures[before:])
                requests = error.attempts - others  # a 401 or a 429 on the way says nothing of the target
                _told(target, breaker, lambda now: breaker.failed(now, requests, probe=probe))
            raise
        except BaseException:
            breaker.released(probe=probe)
            raise
        _told(target, breaker, lambda _: breaker.answered(probe=probe))
        return reply


def _told(target: Target, breaker: CircuitBreaker, decide: Callable[[float], None]) -> None:
    """A decision of the breaker, with a record where it opens or closes the circuit."""
    now = _now()
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


def _summed_up(failed: list[ChatError]) -> ChatError:
    """The last error, with what became of all targets at the head of its message."""
    last = failed[-1]
    if len(failed) > 1:
        told = ", ".join(f"{error.model} {error.kind} ×{error.attempts}" for error in failed)
        last.args = (f"no model answered ({told}); the last: {last}",)
        last.attempts = sum(error.attempts for error in failed)
    return last


def _now() -> float:
    return asyncio.get_running_loop().time()
