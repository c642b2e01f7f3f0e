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
    """The layer. `next` gets the request's own model, then come the `fallbacks` in their order.

    After an error the next model is asked only where that error `falls_back`, and while there
    is time.
    """

    def __init__(
        self,
        next: Handler,
        fallbacks: Sequence[Target] = (),
        breaker: BreakerPolicy | None = None,
        time_limits: TimeLimits | None = None,
    ) -> None:
        self._targets = Targets(next, fallbacks, breaker or BreakerPolicy(), time_limits or TimeLimits())

    async def __call__(self, request: ChatRequest) -> ChatReply:
        """The first reply; else the last error, or one that no other model would mend."""
        failed: list[ChatError] = []
        with call_record():
            for turn in self._targets.turns(request):
                try:
                    return await turn.reply()
                except ChatError as error:
                    failed.append(error)
                    if turn.next_model is None or not error.falls_back or time_is_over(request):
                        break
                    log_fallback(error, turn.next_model)
        raise last_error(failed)


class Targets:
    """The targets of one Fallback, each behind its own breaker, which remembers from call to call."""

    def __init__(
        self, next: Handler, fallbacks: Sequence[Target], breaker: BreakerPolicy, time_limits: TimeLimits
    ) -> None:
        self._next = next
        self._fallbacks = tuple(fallbacks)
        self._policy = breaker
        self._time = time_limits
        self._guarded: dict[Target, Guarded] = {}

    def turns(self, request: ChatRequest) -> list[Turn]:
        """A turn for the request's own model, then one for each fallback; a target that is listed twice has
        one."""
        hurried = is_hurried(request, self._time)
        targets = dict.fromkeys((Target(self._next, request.model), *self._fallbacks))
        guarded = [self._guard(target) for target in targets]
        return [Turn(target, guarded[number:], request, hurried) for number, target in enumerate(guarded, 1)]

    def _guard(self, target: Target) -> Guarded:
        if target not in self._guarded:
            self._guarded[target] = Guarded(target.handler, target.model, self._policy, self._time.timeout)
        return self._guarded[target]


@dataclass(frozen=True, slots=True)
class Turn:
    """A target's turn to answer the request; `others` have theirs after it."""

    target: Guarded
    others: Sequence[Guarded]
    request: ChatRequest
    hurried: bool

    @property
    def next_model(self) -> str | None:
        """The model that is asked after this one; None in the last turn."""
        return self.others[0].model if self.others else None

    async def reply(self) -> ChatReply:
        """The target's reply, if it begins to answer within its share of the time (`turn_ends`).

        `attempts` counts the requests of the whole call. Raises DeadlineExceeded, which falls back, where
        the target does not begin.
        """
        with call_record() as record:
            return record.counted(await self._in_time(record))

    async def _in_time(self, record: CallRecord) -> ChatReply:
        request, now = self.request, clock.now()
        ready = sum(refuses_for(other.breaker, now) == 0 for other in self.others)
        if not ready or request.deadline is None or request.deadline == math.inf:
            return await self.target(request, hurried=self.hurried)
        ends = turn_ends(now, request.deadline, request.timeout, ready)
        before = record.requests
        with anyio.CancelScope(deadline=ends) as turn:

            def begun(_: Mapping[str, str]) -> None:
                turn.deadline = math.inf

            own = replace(request, model=self.target.model, deadline=ends).also_on_start(begun)
            return await self.target(own, hurried=self.hurried)
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


def time_is_over(request: ChatRequest) -> bool:
    """Whether the call's deadline has come."""
    return request.deadline is not None and clock.now() >= request.deadline


def is_hurried(request: ChatRequest, own: TimeLimits) -> bool:
    """Whether the call has less time than the wrapper's own deadline: it wants less, or waited in a queue."""
    return request.deadline is not None and request.deadline - clock.now() < _NEARLY * own.deadline


def log_fallback(error: ChatError, next_model: str) -> None:
    with call_record() as record:
        record.fell_back = True
    event(
        logging.WARNING,
        "chat.fallback",
        model=error.model,
        kind=error.kind,
        status=error.status,
        next_model=next_model,
    )


def last_error(failed: Sequence[ChatError]) -> ChatError:
    """The error of the last target; where there were several, its message begins with all of them.

    `failed` are the errors of the targets, in their order. The `attempts` of each count the call's requests
    until then, or none where the target was left alone.
    """
    requests = 0
    targets = []
    for error in failed:
        targets.append(f"{error.model} {error.kind} ×{max(0, error.attempts - requests)}")
        requests = max(requests, error.attempts)
    last = failed[-1]
    if len(failed) > 1:
        last.args = (f"no model answered ({', '.join(targets)}); the last: {last}",)
    last.attempts = requests
    return last
