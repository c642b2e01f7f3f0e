"""SharedQuota: what one model may use, where processes share their limits.

Only the head of this process's line asks Redis: for a request, its tokens and a slot in one step. What a call
has used is settled afterwards, without the call's waiting for it. Where Redis does not answer, the head goes
by the limits of this process alone (quota.py). Not here: the connection (server.py), the step (shared.lua).
"""

from __future__ import annotations

import asyncio
import itertools
import math
from collections.abc import Awaitable, Callable
from contextlib import suppress
from contextvars import Context
from functools import partial

from safechat.limits.bucket import Bucket
from safechat.limits.gate import Gate
from safechat.limits.group import Answer, Group
from safechat.limits.observed import FollowedBucket
from safechat.limits.pause import Pause
from safechat.limits.refusal import too_late
from safechat.limits.server import Word
from safechat.limits.slots import Slots
from safechat.messages import ChatRequest
from safechat.runtime import clock

_LOOK_EVERY = 0.005  # seconds between two looks for a slot
_LISTEN_EVERY = 0.25  # seconds between two steps of a call that waits longer: is there a pause, or more room?

_LEASE_MARGIN = 5.0  # seconds that a lease is longer than its call
_LONGEST_LEASE = 30.0  # seconds, for a longer call, which renews it
_RENEW_EVERY = 10.0  # seconds
_LONGEST_WAIT = 1e9  # seconds; Lua may know no infinity

_UNCHANGED = -1.0  # the seconds of a lease that stays as it is


class Lease:
    """What a call holds of a shared quota: a slot in Redis and one here, a request, and tokens.

    When its process is killed it ends by itself, soon: while a call lasts, its lease is renewed. It stands
    where a bucket and slots do without Redis.
    """

    def __init__(self, quota: SharedQuota, slots: Slots, deadline: float | None) -> None:
        self._quota = quota
        self._slots = slots
        self._ends = math.inf if deadline is None else deadline + _LEASE_MARGIN
        self.id = quota.new_id()
        self.born = ""  # the quota in Redis that the amounts are from; "" if they are not
        self.requests = self.tokens = 0.0
        self.bucket: Bucket | None = None  # of this process, if the tokens are from it
        self.has_place = False  # one of the slots here
        self.since = ""  # when it began to wait for one in Redis
        self.was_sent = False

    @property
    def seconds(self) -> float:
        """How long it lasts from now on, if it is not renewed."""
        return min(_LONGEST_LEASE, max(_LEASE_MARGIN, self._ends - clock.now()))

    def settle(self, difference: float) -> None:
        """`difference` more tokens were used than reserved."""
        if self.bucket is not None:
            self.bucket.settle(difference)
        elif self.tokens:
            self._quota.change(self, tokens=difference)

    def release(self) -> None:
        """Give the slot back."""
        self.leave()
        self._quota.end(self)

    async def take_back(self) -> None:
        """The slot again, at once, even if there are then more calls than slots for a while."""
        await self._slots.take_back()
        self.has_place = True
        self._quota.hold(self)

    def undo(self) -> None:
        """Give all back: the call does not go."""
        if self.born:
            self._quota.change(self, requests=-self.requests, tokens=-self.tokens)
        self.release()

    async def enter(self) -> None:
        """Wait for a slot here."""
        await self._slots.acquire()
        self.has_place = True

    async def enter_if_free(self) -> None:
        """Take a slot here if there is one, without a wait."""
        if not self.has_place and self._slots.is_free:
            await self.enter()

    def leave(self) -> None:
        """Give the slot here back, if it has one."""
        if self.has_place:
            self.has_place = False
            self._slots.release()


class Change:
    """What Redis does not know yet of one lease."""

    __slots__ = ("born", "lease", "requests", "seconds", "tokens")

    def __init__(self, lease: Lease) -> None:
        self.lease = lease
        self.born = lease.born or "-"
        self.seconds = _UNCHANGED
        self.requests = self.tokens = 0.0

    @property
    def words(self) -> tuple[Word, ...]:
        return self.lease.id, self.seconds, self.born, self.requests, self.tokens


class SharedQuota:
    """The quota of one model. For one event loop, and one call at a time that takes."""

    def __init__(
        self,
        group: Group,
        model: str,
        slots: Slots,
        gate: Gate,
        pause: Pause,
        requests: FollowedBucket,
        tokens: FollowedBucket,
    ) -> None:
        self._group = group
        self._model = model
        self._slots = slots
        self._gate = gate
        self._pause = pause
        self._requests = requests
        self._tokens = tokens
        self._numbers = itertools.count(1)
        self._leases: dict[str, Lease] = {}  # those with a slot
        self._changes: dict[str, Change] = {}
        self._new_pause = 0.0
        self._sending: asyncio.Task[None] | None = None
        self._renewing: asyncio.Task[None] | None = None
        self._goes_at = 0.0  # when the amounts of the call that takes are there
        self._heard = asyncio.Event()  # Redis has answered
        group.add(self)

    @property
    def alone(self) -> bool:
        """Whether the limits of this process count, because Redis does not answer."""
        return self._group.alone

    def new_id(self) -> str:
        return f"{self._group.member}:{self._model}:{next(self._numbers)}"

    async def take(self, request: ChatRequest, tokens: int) -> Lease | None:
        """Wait for all that the call needs. None where Redis does not answer, and then nothing is held.

        Raises DeadlineExceeded or RateLimited when the wait would outlast the call's deadline.
        """
        if self.alone:
            return None
        lease = Lease(self, self._slots, request.deadline)
        self._goes_at = 0.0
        try:
            while True:
                await lease.enter_if_free()
                left = math.inf if request.deadline is None else request.deadline - clock.now()
                answer = await self._reserve(lease, tokens, left)
                if answer is None:
                    lease.undo()
                    return None
                if answer.paused:
                    lease.leave()
                    self._pause.check(request)
                    await self._gate.opened()
                    continue
                if not lease.born:
                    if not answer.reserved:
                        raise too_late(self._model, answer.wait, left)
                    self._note_amounts(lease, tokens, answer)
                    self._goes_at = clock.now() + answer.wait
                if answer.leased:
                    self._add(lease)
                    return lease
                if self._goes_at > clock.now():
                    lease.leave()
                    await self._wait_for_amounts(request)
                elif lease.has_place:
                    lease.since = answer.since
                    await asyncio.sleep(_LOOK_EVERY)
                else:
                    await lease.enter()
        except BaseException:
            lease.undo()
            raise

    def taken_here(self, request: ChatRequest, bucket: Bucket | None) -> Lease:
        """The lease of a call that has waited here, for a slot and for tokens of `bucket`."""
        lease = Lease(self, self._slots, request.deadline)
        lease.bucket = bucket
        lease.has_place = True
        self.hold(lease)
        return lease

    def pause(self, seconds: float) -> None:
        """The API has refused a call: all processes wait."""
        self._new_pause = max(self._new_pause, seconds)
        self._send_soon()

    def hold(self, lease: Lease) -> None:
        """`lease` has a slot."""
        self._add(lease)
        self._change_of(lease).seconds = lease.seconds
        self._send_soon()

    def end(self, lease: Lease) -> None:
        """`lease` has none any more."""
        self._leases.pop(lease.id, None)
        if lease.was_sent:
            self._change_of(lease).seconds = 0.0
            self._send_soon()
        else:
            self._changes.pop(lease.id, None)

    def change(self, lease: Lease, *, requests: float = 0.0, tokens: float = 0.0) -> None:
        """`lease` has used so much more than it reserved."""
        change = self._change_of(lease)
        change.requests += requests
        change.tokens += tokens
        self._send_soon()

    async def join(self) -> None:
        """Make all leases known again: Redis may have lost them. Raises where it does not answer."""
        self._renew_all()
        await self._step(self._group.try_to_ask)

    def divide(self, fraction: float) -> None:
        """This process has a fraction of the limits."""
        for followed in (self._requests, self._tokens):
            followed.divide(fraction)
        self._heard.set()
        if fraction == 1:
            self._send_soon()

    async def aclose(self) -> None:
        """Send what Redis does not know yet."""
        for task in (self._sending, self._renewing):
            if task is not None:
                task.cancel()
        await self._send()

    async def _reserve(self, lease: Lease, tokens: int, left: float) -> Answer | None:
        """One step: the amounts, if `lease` has none yet, and a slot, if it is time for it. A call that is
        cancelled meanwhile gives back what the step has taken."""
        wants_slot = lease.has_place and self._goes_at <= clock.now()
        lease.was_sent = lease.was_sent or wants_slot
        step = asyncio.ensure_future(
            self._step(
                self._group.ask,
                int(not lease.born),
                tokens,
                min(left, _LONGEST_WAIT),
                lease.id if wants_slot else "",
                lease.seconds,
                lease.since,
            )
        )
        try:
            return await asyncio.shield(step)
        except asyncio.CancelledError:
            step.add_done_callback(partial(self._give_back, lease, tokens))
            raise

    def _give_back(self, lease: Lease, tokens: int, step: asyncio.Future[Answer | None]) -> None:
        """The step has ended, and its call has gone."""
        answer = None if step.cancelled() or step.exception() is not None else step.result()
        if answer is not None and answer.reserved and not lease.born:
            self._note_amounts(lease, tokens, answer)
            lease.undo()
        else:
            lease.release()

    def _note_amounts(self, lease: Lease, tokens: int, answer: Answer) -> None:
        lease.born = answer.born
        lease.requests = 1.0 if answer.requests.per_minute else 0.0
        lease.tokens = tokens if answer.tokens.per_minute else 0.0

    async def _wait_for_amounts(self, request: ChatRequest) -> None:
        """Wait until they are there, or it is time to listen."""
        listens_at = clock.now() + _LISTEN_EVERY
        while (until := min(self._goes_at, listens_at)) > clock.now() and not self._group.alone:
            self._heard.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout_at(until):
                    await self._heard.wait()
            self._pause.check(request)

    def _change_of(self, lease: Lease) -> Change:
        if (change := self._changes.get(lease.id)) is None:
            change = self._changes[lease.id] = Change(lease)
        return change

    def _add(self, lease: Lease) -> None:
        self._leases[lease.id] = lease
        if self._renewing is None or self._renewing.done():
            # In a context of its own: it is for many calls.
            self._renewing = asyncio.get_running_loop().create_task(self._renew(), context=Context())

    async def _renew(self) -> None:
        """While there are leases."""
        while self._leases:
            await asyncio.sleep(_RENEW_EVERY)
            if not self._group.alone:  # else they are made known again when Redis is back
                self._renew_all()
                self._send_soon()

    def _renew_all(self) -> None:
        for lease in self._leases.values():
            self._change_of(lease).seconds = lease.seconds

    def _send_soon(self) -> None:
        if not self._group.alone and (self._sending is None or self._sending.done()):
            # In a context of its own: it is for many calls.
            self._sending = asyncio.get_running_loop().create_task(self._send(), context=Context())

    async def _send(self) -> None:
        while (self._changes or self._new_pause) and await self._step(self._group.ask) is not None:
            pass

    async def _step(self, ask: Callable[..., Awaitable[Answer | None]], *wanted: Word) -> Answer | None:
        """Send all changes, and what is wanted."""
        changes, self._changes = self._changes, {}
        pause, self._new_pause = self._new_pause, 0.0
        for change in changes.values():
            change.lease.was_sent = True
        answer = None
        try:
            answer = await ask(
                self._model,
                self._requests.per_minute or 0,
                self._tokens.per_minute or 0,
                self._slots.count,
                pause,
                *(wanted or (0, 0, 0, "", 0, "")),
                *(word for change in changes.values() for word in change.words),
            )
        finally:
            if answer is None:
                self._keep(changes)
        if answer is not None and not self._group.alone:
            self._follow(answer)
        return answer

    def _keep(self, changes: dict[str, Change]) -> None:
        """Nobody knows whether Redis took these. To say twice how long a lease lasts does no harm; amounts
        would be settled twice, so they are forgotten."""
        for change in changes.values():
            if change.seconds != _UNCHANGED:
                newer = self._change_of(change.lease)
                if newer.seconds == _UNCHANGED:
                    newer.seconds = change.seconds

    def _follow(self, answer: Answer) -> None:
        for followed, level in ((self._requests, answer.requests), (self._tokens, answer.tokens)):
            if followed.bucket is None and level.per_minute:
                followed.adopt(level.per_minute)  # another process has learned it
            if followed.bucket is not None and level.per_minute:
                followed.bucket.set_level(level.level, level.held)
        # What others have given back lets this call go earlier. Some of the level may be behind it.
        self._goes_at = min(self._goes_at, clock.now() + self._until_clear())
        if answer.paused:
            self._pause.join(answer.paused)
        self._heard.set()

    def _until_clear(self) -> float:
        """Seconds until all that is reserved so far has gone."""
        buckets = (self._requests.bucket, self._tokens.bucket)
        return max((bucket.wait_for(0) for bucket in buckets if bucket is not None), default=0.0)
