"""Fallback: the next model, when the one before it cannot answer; and the breaker that remembers.

A breaker for each target keeps a model that is down from costing every call its
time limit. Requests that are wrong stay wrong: they never fall back. Not here:
the same model again (retry.py).
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from safechat.errors import (
    ChatError,
    CircuitOpen,
    ConnectionFailed,
    EmptyReply,
    MalformedReply,
    ModelUnavailable,
    RequestTimedOut,
    ServerError,
)
from safechat.log import event
from safechat.messages import ChatReply, ChatRequest, Handler
from safechat.parse import NO_FIT

# What says that a target is sick. Not a wrong request, and not a 429: that has its own pause.
_SICK = (ServerError, ConnectionFailed, RequestTimedOut, MalformedReply, EmptyReply, ModelUnavailable)


@dataclass(frozen=True, slots=True)
class BreakerPolicy:
    """`failures` requests in a row, within `window` seconds, open the circuit for `cooldown` seconds."""

    failures: int = 5
    window: float = 30.0
    cooldown: float = 15.0

    def __post_init__(self) -> None:
        if isinstance(self.failures, bool) or not isinstance(self.failures, int):
            raise TypeError(f"failures must be an int, not {type(self.failures).__name__}: {self.failures!r}")
        if self.failures < 1:
            raise ValueError(f"failures must be at least 1, not {self.failures!r}")
        for name in ("window", "cooldown"):
            value = getattr(self, name)
            if not isinstance(value, int | float) or not (math.isfinite(value) and value > 0):
                raise ValueError(f"{name} must be a number of seconds above 0, not {value!r}")


class CircuitBreaker:
    """Closed, open, half-open: pure decisions about `now`, in seconds of any clock.

    Open after enough failures in a row; half-open after the cooldown, when one
    call is let through as a probe: its answer closes the circuit, its failure
    opens it again. Source: https://martinfowler.com/bliki/CircuitBreaker.html
    """

    def __init__(self, policy: BreakerPolicy | None = None) -> None:
        self._policy = policy or BreakerPolicy()
        self._failures: deque[float] = deque(maxlen=self._policy.failures)
        self._opened: float | None = None
        self._probing = False

    def state(self, now: float) -> str:
        """`closed`, `open` or `half_open`."""
        if self._opened is None:
            return "closed"
        return "open" if now < self._opened + self._policy.cooldown else "half_open"

    def allows(self, now: float) -> bool:
        """Whether a call may go. One that may in the half-open state is the probe."""
        state = self.state(now)
        if state == "half_open" and not self._probing:
            self._probing = True
            return True
        return state == "closed"

    def closed_in(self, now: float) -> float:
        """Seconds until a probe is let through."""
        return max(0.0, self._opened + self._policy.cooldown - now) if self._opened is not None else 0.0

    def answered(self, *, probe: bool = False) -> None:
        """An allowed call got its answer. One that is no probe says nothing once the circuit has opened."""
        if probe or self._opened is None:
            self._failures.clear()
            self._opened = None
        self._end(probe)

    def failed(self, now: float, requests: int = 1, *, probe: bool = False) -> None:
        """An allowed call failed after so many requests, in a way that says the target is sick."""
        if probe:
            self._opened = now
        elif self._opened is None:
            self._failures.extend([now] * requests)
            enough = len(self._failures) == self._policy.failures
            if enough and now - self._failures[0] <= self._policy.window:
                self._opened = now
        self._end(probe)

    def released(self, *, probe: bool = False) -> None:
        """An allowed call ended in a way that says nothing: cancelled, or the request was wrong."""
        self._end(probe)

    def _end(self, probe: bool) -> None:
        if probe:
            self._probing = False


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
