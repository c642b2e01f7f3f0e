"""Retried: the same model again, when that can help and there is time.

It waits between the attempts, longer each time and never past the call's deadline, and it stops where
too many other calls retry as well. The loop is tenacity's. Not here: which errors can be helped (errors.py),
how many retries all calls may make together (retry_budget.py), the pause of all callers after a 429
(limits/pause.py), other models (fallback.py), why a stream is not tried again after its first piece
(call/chunks.py).
"""

from __future__ import annotations

import logging
import random as _random
import time
from dataclasses import dataclass, replace
from functools import partial

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception

from safechat import errors
from safechat.checks import check_count, check_seconds
from safechat.errors import ChatError
from safechat.headers import Random, with_jitter
from safechat.log.call_record import CallRecord, call_record
from safechat.log.events import event
from safechat.messages import ChatReply, ChatRequest, Handler
from safechat.retry_budget import RetryBudget
from safechat.runtime import clock


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """At most `attempts` requests for each model, the first one counted.

    The wait before the second is up to `base` seconds, before the third up to
    twice that, and so on up to `cap`; longer where the API asks for it.
    """

    attempts: int = 3
    base: float = 0.5
    cap: float = 8.0

    def __post_init__(self) -> None:
        check_count("attempts", self.attempts)
        check_seconds("base", self.base, finite=True)
        check_seconds("cap", self.cap, finite=True)


class Retried:
    """The layer: more attempts where they can help, while there is time and budget for them."""

    def __init__(
        self, next: Handler, policy: RetryPolicy | None = None, *, random: Random = _random.random
    ) -> None:
        self._next = next
        self._policy = policy or RetryPolicy()
        self._random = random
        self._budgets: dict[str, RetryBudget] = {}

    async def __call__(self, request: ChatRequest) -> ChatReply:
        """The next handler's reply, from one of several attempts; else the last ChatError.

        `attempts`, on either, counts the requests.
        """
        budget = self._budgets.setdefault(request.model, RetryBudget())
        budget.called(clock.now())
        failed: ChatError
        with call_record() as record:
            try:
                return record.counted(await try_once(self._next, request, record))
            except ChatError as error:
                failed = error
            async for attempt in retry_loop(request, self._policy, self._random, budget):
                with attempt:
                    number = attempt.retry_state.attempt_number
                    if number == 1:
                        raise failed  # made above: a call that is answered at once needs no loop
                    reply = await try_once(self._next, replace(request, attempt=number), record)
            return record.counted(reply)


def retry_loop(
    request: ChatRequest, policy: RetryPolicy, random: Random, budget: RetryBudget
) -> AsyncRetrying:
    """tenacity's loop with the rules below. It logs each retry, and raises the last error itself."""
    return AsyncRetrying(
        retry=retry_if_exception(can_be_helped),
        wait=partial(wait_before_retry, policy, random),
        stop=partial(is_over, policy, request, budget),
        before_sleep=partial(log_retry, request),
        sleep=clock.sleep,
        reraise=True,
    )


async def try_once(next: Handler, request: ChatRequest, record: CallRecord) -> ChatReply:
    """One attempt. Its error is noted and logged, and raised."""
    started = time.perf_counter()
    try:
        return await next(request)
    except ChatError as error:
        milliseconds = round((time.perf_counter() - started) * 1000, 1)
        record.attempt_failed(error, request, latency_ms=milliseconds)
        raise


def can_be_helped(error: BaseException) -> bool:
    """Whether the same request may succeed when it is sent again."""
    return isinstance(error, ChatError) and error.retryable


def wait_before_retry(policy: RetryPolicy, random: Random, state: RetryCallState) -> float:
    """Seconds until the next attempt, with jitter: the backoff, or longer where the API asks for it.

    A call whose place is kept waits there for what the API asks: later it would come behind others.
    """
    own = backoff(policy, state.attempt_number, random)
    error = _error(state)
    kept = isinstance(error, errors.RateLimited) and error.place_kept
    return own if kept or error.retry_after is None else max(own, with_jitter(error.retry_after, random))


def backoff(policy: RetryPolicy, attempt: int, random: Random) -> float:
    """Seconds to wait, at least, after failed attempt number `attempt` (from 1).

    The longest wait doubles from attempt to attempt: `policy.base` after the first, twice that
    after the second, and so on, up to `policy.cap`. After the first attempt the wait is
    anywhere from 0 to the longest. After a later one it is anywhere from 0.6 times the longest
    to the longest: callers spread out, and until the cap each waits longer than the last time,
    whatever the random numbers are. `random()` gives a number from 0 up to 1.
    """
    longest = min(policy.cap, policy.base * 2.0 ** (attempt - 1))
    shortest = 0.6 * longest if attempt > 1 else 0.0
    return shortest + random() * (longest - shortest)


def is_over(policy: RetryPolicy, request: ChatRequest, budget: RetryBudget, state: RetryCallState) -> bool:
    """Whether the last error stands: no attempt, no time or no budget is left.

    A 429 takes nothing out of the budget: an API that refuses is not sick, and all its callers pause.
    """
    now = clock.now()
    if state.attempt_number >= policy.attempts:
        return True
    if request.deadline is not None and now + state.upcoming_sleep >= request.deadline:
        return True
    return not isinstance(_error(state), errors.RateLimited) and not budget.take(now)


def log_retry(request: ChatRequest, state: RetryCallState) -> None:
    event(
        logging.INFO,
        "chat.retry",
        model=request.model,
        attempt=state.attempt_number,
        kind=_error(state).kind,
        wait_ms=round(state.upcoming_sleep * 1000),
    )


def _error(state: RetryCallState) -> ChatError:
    error = state.outcome.exception() if state.outcome is not None else None
    assert isinstance(error, ChatError)
    return error
