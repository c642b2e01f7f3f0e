"""Fallback: the next model, when the one before it cannot answer.

The time is shared out, so that a model which hangs leaves some for the next. Requests that are wrong stay
wrong: they never fall back. Not here: leaving a model alone that is down (guard.py), the same model again
(retry.py).
"""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import anyio

from safechat.breaker import BreakerPolicy, refuses_for
from safechat.errors import ChatError, DeadlineExceeded
from safechat.guard import Guarded
from safechat.log.call_record import CallRecord, call_record
from safechat.log.events import event
from safechat.messages import ChatReply, ChatRequest, Handler
from safechat.runtime import clock

_MOST_FOR_OTHERS = 1 / 3  # of the time that is left
_NEARLY = 0.9  # of a deadline: a little of it goes by before a call comes here


@dataclass(frozen=True, slots=True)
class Target:
    """A model, and the handler that reaches it."""

    handler: Handler
    model: str


@dataclass(frozen=True, slots=True)
class TimeLimits:
    """The wrapper's own, in seconds. A call that has less and runs out of it says nothing about a target."""

    timeout: float = 0.0
    deadline: float = 0.0


class Fallback:
    """The layer. `next` gets the request's own model, then come the `fallbacks`, one after the other."""

    def __init__(
        self,
        next: Handler,
        fallbacks: Sequence[Target] = (),
        breaker: BreakerPolicy | None = None,
        time_limits: TimeLimits | None = None,
    ) -> None:
        self._next = next
        self._fallbacks = tuple(fallbacks)
        self._policy = breaker or BreakerPolicy()
        self._time = time_limits or TimeLimits()
        self._guarded: dict[Target, Guarded] = {}

    async def __call__(self, request: ChatRequest) -> ChatReply:
        """The first reply; else the error of the last target, or one that no other model would mend."""
        targets = dict.fromkeys((Target(self._next, request.model), *self._fallbacks))
        others = [self._guard(target) for target in targets]
        hurried = is_hurried(request, self._time)
        failed: list[tuple[ChatError, int]] = []  # with the requests that the target took
        with call_record() as record:
            while others:
                target, *others = others
                before = record.requests
                try:
                    return record.counted(await in_turn(target, request, others, hurried))
                except ChatError as error:
                    failed.append((error, record.requests - before))
                    if not others or not goes_on(error, request):
                        break
                    log_fallback(error, others[0].model)
            raise last_error(failed, record)

    def _guard(self, target: Target) -> Guarded:
        if target not in self._guarded:
            self._guarded[target] = Guarded(target.handler, target.model, self._policy, self._time.timeout)
        return self._guarded[target]


async def in_turn(
    target: Guarded, request: ChatRequest, others: Sequence[Guarded], hurried: bool
) -> ChatReply:
    """The target's reply, if it begins to answer within its share of the time (`turn_ends`).

    Raises DeadlineExceeded, which falls back, where it does not.
    """
    now = clock.now()
    ready = sum(refuses_for(other.breaker, now) == 0 for other in others)
    if not ready or request.deadline is None or request.deadline == math.inf:
        return await target(request, hurried=hurried)
    ends = turn_ends(now, request.deadline, request.timeout, ready)
    with call_record() as record:
        before = record.requests
        with anyio.CancelScope(deadline=ends) as turn:

            def begun(_: Mapping[str, str]) -> None:
                turn.deadline = math.inf

            own = replace(request, model=target.model, deadline=ends).also_on_start(begun)
            return await target(own, hurried=hurried)
        raise turn_is_over(own, ends - now, record, before)


def turn_ends(now: float, deadline: float, timeout: float, others: int) -> float:
    """When the turn of a target ends that has `others` after it, on the clock of `deadline`.

    For each of those one attempt's `timeout` is kept, but together never more than a third of the time that
    is left. So a deadline with room for all attempts cuts none short, a target that is slow has at least two
    thirds of the time, and the last one, or the only one, has all of it. A target whose circuit is open is
    not counted, and a stream that has begun is not cut.
    """
    return deadline - min(others * timeout, max(0.0, deadline - now) * _MOST_FOR_OTHERS)


def turn_is_over(request: ChatRequest, seconds: float, record: CallRecord, before: int) -> DeadlineExceeded:
    """The error of a target whose turn has ended. `before` counts the call's requests before that turn."""
    sent = not record.waiting
    error = DeadlineExceeded(
        f"{request.model}: no answer within {seconds:.3g} s, its share of the call's deadline",
        model=request.model,
        attempts=int(sent),
        falls_back=True,
        sent=sent,
    )
    if sent:
        record.attempt_failed(error, replace(request, attempt=record.requests - before + 1))
    else:
        record.add(error)
        record.waiting = False
    return error


def goes_on(error: ChatError, request: ChatRequest) -> bool:
    """Whether another model may help, and there is time for it."""
    return error.falls_back and (request.deadline is None or clock.now() < request.deadline)


def is_hurried(request: ChatRequest, own: TimeLimits) -> bool:
    """Whether the call has less time than the wrapper's own deadline: it wants less, or waited in a queue."""
    return request.deadline is not None and request.deadline - clock.now() < _NEARLY * own.deadline


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
