"""Quota: what one model may use, and whose turn it is.

Requests a minute, tokens a minute and calls at once, strictly first come, first served. Limits that were not
set by hand follow the API's `x-ratelimit-*` headers. Not here: the pacing (bucket.py), the line (gate.py),
the first calls (window.py), the pause after a 429 (pause.py), what the headers mean (observed.py), what
processes share (shared.py).
"""

from __future__ import annotations

import math
import random as _random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from safechat.checks import check_count, check_rate, check_seconds
from safechat.errors import RateLimited
from safechat.headers import Random, rate_limit
from safechat.limits.bucket import Bucket
from safechat.limits.gate import Gate
from safechat.limits.group import Group, RedisLimits
from safechat.limits.observed import FollowedBucket
from safechat.limits.pause import Pause
from safechat.limits.refusal import too_large, too_late
from safechat.limits.shared import Lease, SharedQuota
from safechat.limits.slots import Slot, Slots
from safechat.limits.tokens import least_tokens
from safechat.limits.window import Window
from safechat.messages import ChatRequest
from safechat.runtime import clock


@dataclass(frozen=True, slots=True)
class RateLimits:
    """What the API allows. None: what its headers say. `concurrency` is for all models together, and counts
    calls at once; a stream whose consumer is busy is not one. An API that wants a longer pause than
    `longest_pause` seconds is asked again then, by one call. `shared` is where processes and machines share
    these limits; without it they are this wrapper's."""

    requests_per_minute: float | None = None
    tokens_per_minute: float | None = None
    concurrency: int = 32
    longest_pause: float = 120.0
    shared: RedisLimits | None = None

    def __post_init__(self) -> None:
        for name in ("requests_per_minute", "tokens_per_minute"):
            if getattr(self, name) is not None:
                check_rate(name, getattr(self, name))
        check_count("concurrency", self.concurrency)
        check_seconds("longest_pause", self.longest_pause, finite=True)
        if not isinstance(self.shared, RedisLimits | None):
            raise TypeError(f"shared must be RedisLimits, not {type(self.shared).__name__}")


class Held:
    """What a call holds while it is under way: `tokens` of the bucket, a slot, and a place in the window.

    `bucket` is None where no limit of tokens is known.
    """

    def __init__(self, tokens: float, bucket: Bucket | None, window: Window, slots: Slots) -> None:
        self.tokens = tokens
        self.slot = Slot(slots)
        self.landed = False
        self._bucket = bucket
        self._window = window

    def land(self) -> None:
        """The answer has come, or a stream has begun: another call may have the place in the window. Only
        the first time does anything."""
        if not self.landed:
            self.landed = True
            self._window.leave(self)


class Reservation(Held):
    """A context manager: within its block the call is in the window.

    At its end the place and the slot are given back, whatever happened. The tokens stay taken,
    for what was sent may be billed, until `settle` says how many were used.
    """

    def __enter__(self) -> Self:
        self._window.enter(self)
        return self

    def __exit__(self, *_: object) -> None:
        self.land()
        self.slot.end()

    def settle(self, used: float) -> None:
        """The call used this number of tokens.

        The difference to those that it holds is taken, or given back.
        """
        if self._bucket is not None:
            self._bucket.settle(used - self.tokens)
        self.tokens = used


class SharedReservation(Reservation):
    """The same where processes share the quota: its tokens and its slot are those of a lease."""

    def __init__(self, tokens: float, lease: Lease, window: Window, slots: Slots) -> None:
        super().__init__(tokens, None, window, slots)
        self.slot = Slot(lease)
        self._lease = lease

    def settle(self, used: float) -> None:
        self._lease.settle(used - self.tokens)
        super().settle(used)


class Quotas:
    """The quota of each model, and the slots of all of them together."""

    def __init__(self, limits: RateLimits, random: Random = _random.random) -> None:
        self._limits = limits
        self._random = random
        self._slots = Slots(limits.concurrency)
        self._group = None if limits.shared is None else Group(limits.shared, self._slots)
        self._quotas: dict[str, Quota] = {}

    def of(self, model: str) -> Quota:
        """The one quota of this model."""
        quota = self._quotas.get(model)
        if quota is None:
            quota = Quota(model, self._limits, self._slots, self._random, self._group)
            self._quotas[model] = quota
        return quota

    async def aclose(self) -> None:
        """Leave the processes that share these limits."""
        for quota in self._quotas.values():
            await quota.aclose()
        if self._group is not None:
            await self._group.aclose()


class Quota:
    """What one model may use, and who waits for it. For one event loop."""

    def __init__(
        self, model: str, limits: RateLimits, slots: Slots, random: Random, group: Group | None = None
    ) -> None:
        by_hand = limits.requests_per_minute is not None or limits.tokens_per_minute is not None
        self._window = Window(math.inf) if by_hand else Window()
        self._requests = FollowedBucket("requests", limits.requests_per_minute)
        self._tokens = FollowedBucket("tokens", limits.tokens_per_minute)
        self._slots = slots
        self._gate = Gate()
        self._pause = Pause(model, self._gate, self._window, limits.longest_pause, random)
        self._shared: SharedQuota | None = None
        if group is not None:
            self._shared = SharedQuota(
                group, model, slots, self._gate, self._pause, self._requests, self._tokens
            )
        self._waiting = 0  # calls in line, and the tokens that they want
        self._waiting_tokens = 0

    async def reserve(self, request: ChatRequest, tokens: int, began: float) -> Reservation:
        """Wait for the turn and for room. Raises at once what could never go, or not in time. `began` is when
        the call did, with the requests before this one."""
        tokens = self._admitted(request, tokens)
        gave_way = False
        while True:
            await self._turn(request, tokens, began, gave_way=gave_way)
            try:
                reservation = await self._take(request, tokens)
            finally:
                self._gate.leave()
            if reservation is not None:
                return reservation
            gave_way = True

    def answered(self, call: Reservation, headers: Mapping[str, str]) -> None:
        """The answer to `call` has come, or a stream has begun: follow what its headers say. Only once."""
        if call.landed:
            return
        self._pause.answered()
        for followed, under_way in ((self._requests, self._window.under_way), (self._tokens, 0)):
            seen = None if followed.by_hand else rate_limit(headers, followed.kind)
            if seen is None:
                continue
            if seen.remaining == 0 and seen.reset is not None:
                # The bucket fills evenly until `reset`, so this is the time that one unit takes.
                self._pause.begin(seen.reset / seen.limit)
            followed.follow(seen, under_way)
        if self._requests.bucket is not None:
            self._window.open(call)
        else:
            self._window.answered(call)
        call.land()

    def refused(self, request: ChatRequest, call: Reservation, error: RateLimited) -> None:
        """A 429: nobody goes before the API's own moment, and then not all at once. A call that has time for
        the pause keeps its place: its retry waits here, before others."""
        if self._requests.bucket is not None:
            self._window.open(call)
        else:
            self._window.refused(call)
        self._pause.refused(error.retry_after)
        if self._requests.bucket is not None:
            self._requests.bucket.hold_until(clock.now() + self._pause.left())
        if self._shared is not None:
            self._shared.pause(self._pause.left())
        error.place_kept = self._pause.fits(request, error.retry_after)

    async def _take(self, request: ChatRequest, tokens: int) -> Reservation | None:
        """All that the call needs, in order; None, and nothing, where it has to give way to those that
        the API has sent back. Cancelled, it gives back what it has."""
        await self._window.room()
        lease = None if self._shared is None else await self._shared.take(request, tokens)
        if lease is None:
            return await self._take_here(request, tokens)
        if self._gives_way(request):
            lease.undo()
            return None
        return SharedReservation(tokens, lease, self._window, self._slots)

    async def _take_here(self, request: ChatRequest, tokens: int) -> Reservation | None:
        """The same by the limits of this process; should the shared ones be back, it gives way to them."""
        buckets = ((self._requests.bucket, 1), (self._tokens.bucket, tokens))
        taken: list[tuple[Bucket, int]] = []
        goes = False
        try:
            for bucket, amount in buckets:
                if bucket is not None:
                    await bucket.take(amount, lambda: self._pause.check(request))
                    taken.append((bucket, amount))
            await self._take_slot(request)
            goes = not self._gives_way(request) and (self._shared is None or self._shared.alone)
            if not goes:
                self._slots.release()
        finally:
            if not goes:
                for bucket, amount in taken:
                    bucket.settle(-amount)
        if not goes:
            return None
        if self._shared is None:
            return Reservation(tokens, buckets[1][0], self._window, self._slots)
        lease = self._shared.taken_here(request, buckets[1][0])
        return SharedReservation(tokens, lease, self._window, self._slots)

    def _gives_way(self, request: ChatRequest) -> bool:
        return self._gate.has_sent_back and request.attempt == 1

    async def _take_slot(self, request: ChatRequest) -> None:
        """A slot while the gate is open: a 429 may close it while this call waits for the slot."""
        await self._slots.acquire()
        while self._pause.left():
            self._slots.release()
            self._pause.check(request)
            await self._gate.opened()
            await self._slots.acquire()

    def _admitted(self, request: ChatRequest, tokens: int) -> int:
        """The tokens to reserve. Raises for what could never go, or not in time.

        `tokens` is a guess, and only the usage of an answer corrects it: a call that is never sent, because
        of a guess that is too high, would never be. So above the least that the call can cost it counts as
        no more than a minute allows, and half of the time that the call has.
        """
        left = math.inf if request.deadline is None else request.deadline - clock.now()
        if self._tokens.bucket is not None:
            believed = self._tokens.bucket.per_minute * min(1.0, max(left, 0) / 120)
            if tokens > believed:
                per_minute = self._tokens.per_minute or math.inf
                if (least := least_tokens(request)) > per_minute:
                    raise too_large(request.model, least, per_minute)
                tokens = max(least, int(believed))
        self._pause.check(request)
        if left < math.inf and (wait := self._wait(tokens, first=request.attempt > 1)) > left:
            raise too_late(request.model, wait, left)
        return tokens

    def _wait(self, tokens: int, *, first: bool) -> float:
        """Seconds until a call that comes now has all that it needs, behind those in line or before them."""
        calls_before, tokens_before = (0, 0) if first else (self._waiting, self._waiting_tokens)
        requests, bucket = self._requests.bucket, self._tokens.bucket
        return max(
            requests.wait_for(calls_before + 1) if requests is not None else 0.0,
            bucket.wait_for(tokens_before + tokens) if bucket is not None else 0.0,
        )

    async def aclose(self) -> None:
        """Settle with the other processes."""
        if self._shared is not None:
            await self._shared.aclose()

    async def _turn(self, request: ChatRequest, tokens: int, began: float, *, gave_way: bool) -> None:
        self._waiting += 1
        self._waiting_tokens += tokens
        try:
            await self._gate.enter(
                began=began,
                deadline=math.inf if request.deadline is None else request.deadline,
                sent_back=request.attempt > 1,
                gave_way=gave_way,
            )
        finally:
            self._waiting -= 1
            self._waiting_tokens -= tokens
