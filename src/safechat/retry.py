"""Retried: the same model again, when that can help and there is time.

Backs off exponentially with jitter, or as long as the API asks; never past the
call's deadline; and only while enough calls succeed (the budget), so that an API
that is sick gets no storm. The loop is tenacity's. Not here: which errors can be
helped (errors.py), all callers' pause after a 429 (limits.py), other models.
"""

from __future__ import annotations

import logging
import random as _random
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from tenacity import AsyncRetrying, RetryCallState

from safechat import errors
from safechat.checks import check_count, check_seconds
from safechat.errors import ChatError
from safechat.log.events import event
from safechat.log.record import CallRecord, call_record
from safechat.messages import ChatReply, ChatRequest, Handler
from safechat.runtime import clock

_LONGEST_JITTER = 0.25  # seconds on top of a Retry-After, and at most a tenth of it


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """At most `attempts` requests for each model, the first one counted.

    The wait before the second is up to `base` seconds, before the third up to
    twice that, and so on up to `cap`.
    """

    attempts: int = 3
    base: float = 0.5
    cap: float = 8.0

    def __post_init__(self) -> None:
        check_count("attempts", self.attempts)
        check_seconds("base", self.base, finite=True)
        check_seconds("cap", self.cap, finite=True)


class RetryBudget:
    """Retries stop when too few calls succeed, and resume when they do again.

    As gRPC's retry throttling: a failure takes a token, an answer brings back a
    tenth, and nobody retries at half the tokens or fewer.
    Source: https://github.com/grpc/proposal/blob/master/A6-client-retries.md#throttling-retry-attempts-and-hedged-rpcs
    """

    def __init__(self, tokens: float = 16.0, per_answer: float = 0.1) -> None:
        self._most = self._tokens = tokens
        self._per_answer = per_answer

    def answered(self) -> None:
        self._tokens = min(self._most, self._tokens + self._per_answer)

    def failed(self) -> None:
        self._tokens = max(0.0, self._tokens - 1)

    def allows(self) -> bool:
        return self._tokens > self._most / 2


def backoff(policy: RetryPolicy, attempt: int, random: Callable[[], float]) -> float:
    """Seconds to wait after failed attempt number `attempt` (from 1), when the API names no wait.

    Anywhere from a little more than the longest wait of the attempt before up to
    the longest of this one: callers spread out, and each waits longer than the
    last time, whatever the dice say.
    """
    longest = min(policy.cap, policy.base * 2.0 ** (attempt - 1))
    shortest = 0.6 * longest if attempt > 1 else 0.0
    return shortest + random() * (longest - shortest)


class Retried:
    """The layer."""

    def __init__(
        self,
        next: Handler,
        policy: RetryPolicy | None = None,
        *,
        random: Callable[[], float] = _random.random,
    ) -> None:
        self._next = next
        self._policy = policy or RetryPolicy()
        self._random = random
        self._budgets: dict[str, RetryBudget] = {}

    async def __call__(self, request: ChatRequest) -> ChatReply:
        """The next handler's reply, from one of several attempts; else the last one's ChatError.

        `attempts`, on either, counts them.
        """
        budget = self._budgets.setdefault(request.model, RetryBudget())
        failed: ChatError
        with call_record() as record:
            try:
                reply = await self._attempt(request, 1, record)
            except ChatError as error:
                failed = error
            else:
                budget.answered()
                return record.counted(reply)
            async for attempt in self._attempts(request, budget):
                with attempt:
                    number = attempt.retry_state.attempt_number
                    if number == 1:
                        raise failed  # made above: a call that is answered at once needs no loop
                    reply = await self._attempt(request, number, record)
            budget.answered()
            return record.counted(reply)

    def _attempts(self, request: ChatRequest, budget: RetryBudget) -> AsyncRetrying:
        return AsyncRetrying(
            retry=lambda state: _can_help(state, budget),
            wait=self._wait,
            stop=lambda state: self._is_over(state, request, budget),
            before_sleep=lambda state: self._tell(state, request),
            sleep=clock.sleep,
            reraise=True,
        )

    async def _attempt(self, request: ChatRequest, number: int, record: CallRecord) -> ChatReply:
        started = time.perf_counter()
        if number > 1:
            request = replace(request, attempt=number)
        try:
            return await self._next(request)
        except ChatError as error:
            milliseconds = round((time.perf_counter() - started) * 1000, 1)
            record.attempt_failed(error, request, latency_ms=milliseconds)
            raise

    def _wait(self, state: RetryCallState) -> float:
        asked = _error(state).retry_after
        if asked is None:
            return backoff(self._policy, state.attempt_number, self._random)
        return asked + self._random() * min(_LONGEST_JITTER, asked / 10)

    def _is_over(self, state: RetryCallState, request: ChatRequest, budget: RetryBudget) -> bool:
        if state.attempt_number >= self._policy.attempts or not budget.allows():
            return True
        return request.deadline is not None and clock.now() + state.upcoming_sleep >= request.deadline

    def _tell(self, state: RetryCallState, request: ChatRequest) -> None:
        error = _error(state)
        event(
            logging.INFO,
            "chat.retry",
            model=request.model,
            attempt=state.attempt_number,
            kind=error.kind,
            wait_ms=round(state.upcoming_sleep * 1000),
        )


def _can_help(state: RetryCallState, budget: RetryBudget) -> bool:
    """Whether to try again; each failure that is the API's own is counted."""
    if state.outcome is None or not state.outcome.failed:
        return False
    error = state.outcome.exception()
    if not isinstance(error, ChatError) or not error.retryable:
        return False
    if not isinstance(error, errors.RateLimited):  # an API that refuses is not sick
        budget.failed()
    return True


def _error(state: RetryCallState) -> ChatError:
    error = state.outcome.exception() if state.outcome is not None else None
    assert isinstance(error, ChatError)
    return error
