"""Quota: what one model may use, and whose turn it is.

Requests a minute, tokens a minute and calls at once, strictly first come, first served. Limits that were not
set by hand follow the API's `x-ratelimit-*` headers. A 429 stops all callers of that model until its
Retry-After, not just the one who met it. Not here: the pacing (bucket.py), the line (gate.py), the first
calls (window.py), what the headers mean (observed.py), trying again (retry.py).
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Self

from safechat import errors
from safechat.checks import check_count, check_rate
from safechat.headers import rate_limit
from safechat.limits.bucket import Bucket
from safechat.limits.gate import Gate
from safechat.limits.observed import FollowedBucket
from safechat.limits.refusal import paused, too_large, too_late
from safechat.limits.window import Window
from safechat.messages import ChatRequest
from safechat.runtime import clock

_LONGEST_GUESSED_PAUSE = 30.0  # seconds


@dataclass(frozen=True, slots=True)
class RateLimits:
    """What the API allows. None: what its headers say. `concurrency` is for all models together."""

    requests_per_minute: float | None = None
    tokens_per_minute: float | None = None
    concurrency: int = 32

    def __post_init__(self) -> None:
        for name in ("requests_per_minute", "tokens_per_minute"):
            if getattr(self, name) is not None:
                check_rate(name, getattr(self, name))
        check_count("concurrency", self.concurrency)


class Reservation:
    """What a call holds while it is under way: `tokens` of the bucket, its place in the window, and a slot.

    A context manager. At its end the place and the slot are given back, whatever happened. The tokens stay
    taken until `settle` says how many were used. `bucket` is None where no limit of tokens is known.
    """

    def __init__(
        self, tokens: float, bucket: Bucket | None, window: Window, slots: asyncio.Semaphore
    ) -> None:
        self.tokens = tokens
        self._bucket = bucket
        self._window = window
        self._slots = slots

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._window.leave()
        self._slots.release()

    def settle(self, used: float) -> None:
        """The call used so many tokens: the difference to those it holds is taken, or given back."""
        if self._bucket is not None:
            self._bucket.settle(used - self.tokens)
        self.tokens = used


class Quota:
    """What one model may use, and who waits for it. For one event loop."""

    def __init__(self, model: str, limits: RateLimits, slots: asyncio.Semaphore) -> None:
        self._model = model
        self._gate = Gate()
        self._window = Window()
        self._requests = FollowedBucket("requests", limits.requests_per_minute)
        self._tokens = FollowedBucket("tokens", limits.tokens_per_minute)
        self._slots = slots
        self._waiting = 0  # calls in line, and the tokens that they want
        self._waiting_tokens = 0
        self._pauses = 0  # since the last answer

    async def reserve(self, request: ChatRequest, tokens: int) -> Reservation:
        """Wait for the turn and for room. Raises at once what could never go, or not in time."""
        self._check(request, tokens)
        with self._in_line(tokens):
            await self._gate.enter(deadline=request.deadline, first=request.attempt > 1)
        try:
            return await self._take(request, tokens)
        finally:
            self._gate.leave()

    async def _take(self, request: ChatRequest, tokens: int) -> Reservation:
        """Whose turn it is takes all that the call needs, in order; cancelled, it gives back what it has."""
        await self._window.room()
        buckets = ((self._requests.bucket, 1), (self._tokens.bucket, tokens))
        with ExitStack() as taken:
            for bucket, amount in buckets:
                if bucket is not None:
                    await bucket.take(amount)
                    taken.callback(bucket.settle, -amount)
            await self._take_slot(request)
            taken.pop_all()
        self._window.enter()
        return Reservation(tokens, buckets[1][0], self._window, self._slots)

    async def _take_slot(self, request: ChatRequest) -> None:
        """A slot while the gate is open: a 429 may close it while this call waits for the slot."""
        while True:
            self._check_pause(request)
            await self._gate.opened()
            await self._slots.acquire()
            if not self._gate.closed_for():
                return
            self._slots.release()

    def answered(self, headers: Mapping[str, str]) -> None:
        """Follow what the API says it allows, where nothing was set by hand."""
        self._pauses = 0
        for followed, under_way in ((self._requests, self._window.under_way), (self._tokens, 0)):
            seen = None if followed.by_hand else rate_limit(headers, followed.kind)
            if seen is None:
                continue
            if seen.remaining == 0 and seen.reset is not None:
                # The bucket fills evenly until `reset`, so this is the time that one unit takes.
                self._close(seen.reset / seen.limit)
            followed.follow(seen, under_way)
        if self._requests.bucket is not None:
            self._window.open()
        else:
            self._window.answered()

    def refused(self, error: errors.RateLimited) -> None:
        """A 429: nobody goes before the API's own moment, and then not all at once."""
        if not self._gate.closed_for():
            self._pauses += 1  # refusals of requests that were under way together are one
        pause = error.retry_after
        if pause is None:
            pause = guessed_pause(self._pauses)
        self._close(pause)
        if self._requests.bucket is not None:
            self._requests.bucket.hold_until(clock.now() + self._gate.closed_for())
        else:
            self._window.refused()

    def _check(self, request: ChatRequest, tokens: int) -> None:
        """Raise at once for what could never go, or not in time."""
        per_minute = self._tokens.bucket.per_minute if self._tokens.bucket is not None else math.inf
        if tokens > per_minute:
            raise too_large(request.model, tokens, per_minute)
        self._check_pause(request)
        if request.deadline is not None:
            left = request.deadline - clock.now()
            wait = self._wait(tokens, first=request.attempt > 1)
            if wait > left:
                raise too_late(request.model, wait, left)

    def _check_pause(self, request: ChatRequest) -> None:
        pause = self._gate.closed_for()
        if request.deadline is not None and pause > request.deadline - clock.now():
            raise paused(request.model, pause)

    def _wait(self, tokens: int, *, first: bool) -> float:
        """Seconds until a call that comes now has all that it needs, behind those in line or before them."""
        calls_before, tokens_before = (0, 0) if first else (self._waiting, self._waiting_tokens)
        requests, bucket = self._requests.bucket, self._tokens.bucket
        return max(
            requests.wait_for(calls_before + 1) if requests is not None else 0.0,
            bucket.wait_for(tokens_before + tokens) if bucket is not None else 0.0,
        )

    def _close(self, pause: float) -> None:
        self._gate.close_until(
            clock.now() + clock.seconds(pause), lambda seconds: paused(self._model, seconds)
        )

    @contextmanager
    def _in_line(self, tokens: int) -> Iterator[None]:
        self._waiting += 1
        self._waiting_tokens += tokens
        try:
            yield
        finally:
            self._waiting -= 1
            self._waiting_tokens -= tokens


def guessed_pause(pauses: int) -> float:
    """Seconds to wait after a 429 that names no wait: 1, 2, 4, … for one pause after another."""
    return min(_LONGEST_GUESSED_PAUSE, 0.5 * 2.0 ** min(pauses, 10))
