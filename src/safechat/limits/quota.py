"""RateLimited: waits until a call may go, so that the API never has to refuse it.

Requests a minute, tokens a minute and calls at once, for each model, strictly
first come, first served. Limits that were not set by hand follow the API's
`x-ratelimit-*` headers. A 429 stops all callers of that model until its
Retry-After, not just the one who met it. Not here: trying again (retry.py).
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Mapping
from dataclasses import dataclass

from safechat import errors
from safechat.checks import check_count, check_rate
from safechat.headers import rate_limit
from safechat.limits.bucket import Bucket
from safechat.limits.gate import Gate
from safechat.limits.observed import ObservedLimit
from safechat.messages import ChatRequest
from safechat.runtime import clock

# So many calls of a model are under way at most until the first answer, which tells
# what the API allows; of an API that never tells, each answer adds one, also after a 429.
_FIRST_WINDOW = 8
_WINDOW_AFTER_429 = 1

_RATE_CHANGE = 0.005  # a limit that moves by less is the same limit
_LONGEST_GUESSED_PAUSE = 30.0  # seconds, where a 429 names no Retry-After


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


class Quota:
    """What one model may use, and who waits for it."""

    def __init__(self, limits: RateLimits, slots: asyncio.Semaphore) -> None:
        self._limits = limits
        self._slots = slots
        self._gate = Gate()
        self._requests = _bucket(limits.requests_per_minute)
        self._tokens = _bucket(limits.tokens_per_minute)
        self._waiting = 0  # calls in line, and the tokens that they want
        self._waiting_tokens = 0
        self._observed = {"requests": ObservedLimit(), "tokens": ObservedLimit()}
        self._under_way = 0
        self._window: float = _FIRST_WINDOW
        self._landed = asyncio.Event()
        self._refusals = 0  # pauses since the last answer

    async def enter(self, request: ChatRequest, tokens: int) -> Bucket | None:
        """Wait for the turn and for room; then the call is under way until `leave`, which wants
        the bucket that the tokens were reserved in."""
        self._check(request, tokens)
        self._waiting += 1
        self._waiting_tokens += tokens
        try:
            await self._gate.enter(deadline=request.deadline, first=request.attempt > 1)
        finally:
            self._waiting -= 1
            self._waiting_tokens -= tokens
        try:
            reserved = await self._take(request, tokens)
        finally:
            self._gate.leave()
        self._under_way += 1
        return reserved

    async def _take(self, request: ChatRequest, tokens: int) -> Bucket | None:
        """The head of the line takes all that it needs, in order; cancelled, it gives back what it has."""
        while self._under_way >= self._window:
            self._landed.clear()
            await self._landed.wait()
        taken: list[tuple[Bucket, int]] = []
        reserved = self._tokens
        try:
            for bucket, amount in ((self._requests, 1), (reserved, tokens)):
                if bucket is not None:
                    await bucket.take(amount)
                    taken.append((bucket, amount))
            while True:  # a 429 may close the line while this call waits for a slot
                self._check_pause(request)
                await self._gate.opened()
                await self._slots.acquire()
                if not self._gate.closed_for():
                    return reserved
                self._slots.release()
        except BaseException:
            for bucket, amount in taken:
                bucket.settle(-amount)
            raise

    def leave(self, reserved: Bucket | None, token_difference: float) -> None:
        """The call is over, and used so many tokens more than it had reserved."""
        self._under_way -= 1
        self._slots.release()
        if reserved is not None:
            reserved.settle(token_difference)
        self._landed.set()

    def answered(self, headers: Mapping[str, str]) -> None:
        """Follow what the API says it allows, where nothing was set by hand."""
        self._refusals = 0
        if self._limits.requests_per_minute is None:
            self._requests = self._followed(self._requests, headers, "requests", self._under_way)
        self._window = math.inf if self._requests is not None else self._window + 1
        if self._limits.tokens_per_minute is None:
            self._tokens = self._followed(self._tokens, headers, "tokens", 0)

    def refused(self, error: errors.RateLimited) -> None:
        """A 429: nobody goes before the API's own moment, and then not all at once."""
        if not self._gate.closed_for():
            self._refusals += 1  # those that were on their way together count as one
        pause = error.retry_after
        if pause is None:
            pause = min(_LONGEST_GUESSED_PAUSE, 0.5 * 2.0 ** min(self._refusals, 10))
        if self._requests is not None:
            self._requests.drain_burst()
        else:
            self._window = _WINDOW_AFTER_429
        self._close(pause, error.model)

    def _followed(
        self, bucket: Bucket | None, headers: Mapping[str, str], kind: str, spent: float
    ) -> Bucket | None:
        said = rate_limit(headers, kind)
        if said is None:
            return bucket
        if said.remaining == 0 and said.reset is not None:
            # The bucket fills evenly until `reset`: so long does one unit take.
            self._close(said.reset / said.limit, None)
        observed = self._observed[kind]
        observed.learn(said)
        per_minute = observed.per_minute or said.limit
        if bucket is None:
            return Bucket(per_minute, spent=spent)
        if not math.isclose(bucket.per_minute, per_minute, rel_tol=_RATE_CHANGE):
            bucket.change(per_minute)
        return bucket

    def _close(self, pause: float, model: str | None) -> None:
        def too_late(seconds: float) -> Exception:
            return _paused(model, seconds)

        self._gate.close_until(asyncio.get_running_loop().time() + clock.seconds(pause), too_late)

    def _check(self, request: ChatRequest, tokens: int) -> None:
        """Refuse at once what could never go, or not in time."""
        if self._tokens is not None and tokens > self._tokens.per_minute:
            raise errors.RequestTooLarge(
                f"{request.model}: the request needs about {tokens} tokens and the limit is "
                f"{self._tokens.per_minute:g} a minute: shorten it, or lower max_completion_tokens",
                model=request.model,
            )
        self._check_pause(request)
        if request.deadline is None:
            return
        left = request.deadline - asyncio.get_running_loop().time()
        before = (self._waiting, self._waiting_tokens) if request.attempt == 1 else (0, 0)
        wait = max(
            self._requests.wait_for(before[0] + 1) if self._requests is not None else 0.0,
            self._tokens.wait_for(before[1] + tokens) if self._tokens is not None else 0.0,
        )
        if wait > left:
            raise errors.DeadlineExceeded(
                f"{request.model}: the rate limit would have the call wait {wait:.1f} s, "
                f"and its deadline is in {max(left, 0):.1f} s",
                retry_after=wait,
                model=request.model,
            )

    def _check_pause(self, request: ChatRequest) -> None:
        pause = self._gate.closed_for()
        if request.deadline is not None and pause > request.deadline - asyncio.get_running_loop().time():
            raise _paused(request.model, pause)


def _bucket(per_minute: float | None) -> Bucket | None:
    return Bucket(per_minute) if per_minute is not None else None


def _paused(model: str | None, seconds: float) -> errors.RateLimited:
    return errors.RateLimited(
        f"{model}: the API has all calls wait {seconds:.1f} s more, past this call's deadline",
        status=429,
        retry_after=seconds,
        model=model,
    )
