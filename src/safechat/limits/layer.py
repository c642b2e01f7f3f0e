"""Limited: waits until a call may go, so that the API never has to refuse it.

Strictly first come, first served, for each model. A 429 stops all callers of that model until its
Retry-After, not just the one who met it. Not here: what a model may use (quota.py), trying again (retry.py).
"""

from __future__ import annotations

import asyncio
import logging

from safechat import errors
from safechat.limits.quota import Quota, RateLimits
from safechat.limits.tokens import TokenEstimator
from safechat.log.events import UNLOGGED, event
from safechat.log.record import call_record
from safechat.messages import ChatReply, ChatRequest, Handler

_TOLD_WAIT = 0.05  # seconds; shorter waits are no news


class Limited:
    """The layer. For one event loop."""

    def __init__(self, next: Handler, limits: RateLimits | None = None) -> None:
        self._next = next
        self._limits = limits or RateLimits()
        self._slots = asyncio.Semaphore(self._limits.concurrency)
        self._estimator = TokenEstimator()
        self._quotas: dict[str, Quota] = {}

    async def __call__(self, request: ChatRequest) -> ChatReply:
        """The next handler's reply, in its turn.

        Raises RequestTooLarge for more tokens than a minute allows, and at once
        DeadlineExceeded, or errors.RateLimited while the API has everyone wait,
        when the wait would outlast the call's deadline.
        """
        quota = self._quotas.get(request.model)
        if quota is None:
            quota = self._quotas[request.model] = Quota(self._limits, self._slots)
        tokens = self._estimator.estimate(request)
        asked = asyncio.get_running_loop().time()
        with call_record() as record, record.wait():
            reserved = await quota.enter(request, tokens)
        waited = asyncio.get_running_loop().time() - asked
        level = logging.INFO if waited >= _TOLD_WAIT else UNLOGGED
        event(level, "chat.limited", model=request.model, wait_ms=round(waited * 1000))
        used: float = 0  # a call that fails has used no tokens
        try:
            reply = await self._next(request)
            used = reply.usage.total_tokens if reply.usage is not None else tokens
            self._estimator.learn(request, reply)
            quota.answered(reply.headers)
            return reply
        except errors.RateLimited as error:
            quota.refused(error)
            raise
        finally:
            quota.leave(reserved, used - tokens)
