"""Limited: the layer that waits until a call may go, so that the API never has to refuse it.

Not here: what a model may use and whose turn it is (quota.py), trying again (retry.py).
"""

from __future__ import annotations

import logging
from dataclasses import replace

from safechat.errors import ChatError, RateLimited
from safechat.limits.quota import Quota, Quotas, RateLimits, Reservation
from safechat.limits.tokens import TokenEstimator, billed_tokens, used_tokens
from safechat.log.call_record import call_record
from safechat.log.events import UNLOGGED, event
from safechat.messages import ChatReply, ChatRequest, Handler
from safechat.runtime import clock

_LOGGED_WAIT = 0.05  # seconds; shorter waits are not logged


class Limited:
    """The layer. For one event loop."""

    def __init__(
        self, next: Handler, quotas: Quotas | None = None, estimator: TokenEstimator | None = None
    ) -> None:
        self._next = next
        self._quotas = quotas or Quotas(RateLimits())
        self._estimator = estimator or TokenEstimator()

    async def __call__(self, request: ChatRequest) -> ChatReply:
        """The next handler's reply, in its turn.

        At the end, however it comes, the reservation is given back. An answer is settled by its
        usage, an error by what it may have cost; a 429 is made known to the quota, and each
        answer to the estimator and the quota.

        Raises what `reserved` raises, and the next handler's errors.
        """
        quota = self._quotas.of(request.model)
        reservation = await reserved(quota, request, self._estimator.estimate(request))
        with reservation:
            try:
                reply = await self._next(watched(request, quota, reservation))
            except ChatError as error:
                reservation.settle(spent(error, reservation))
                if isinstance(error, RateLimited):
                    quota.refused(request, reservation, error)
                raise
            reservation.settle(spent(reply, reservation))
            self._estimator.learn(request, reply)
            quota.answered(reservation, reply.headers)
            return reply


async def reserved(quota: Quota, request: ChatRequest, tokens: int) -> Reservation:
    """Wait for the call's turn, and for room for so many tokens.

    Raises RequestTooLarge for more tokens than a minute allows, and at once DeadlineExceeded, or
    RateLimited while the API has everyone wait, when the wait would outlast the call's deadline.
    """
    came = clock.now()
    with call_record() as record, record.wait():
        reservation = await quota.reserve(request, tokens, record.began)
    log_wait(request.model, clock.now() - came)
    return reservation


def watched(request: ChatRequest, quota: Quota, reservation: Reservation) -> ChatRequest:
    """A request whose stream is known to have begun, and lends its slot while its consumer is busy.

    One that is not streamed stays as it is.
    """
    on_piece = request.on_piece
    if on_piece is None:
        return request

    async def deliver(piece: str) -> None:
        await reservation.slot.lent_while(on_piece(piece))

    begun = request.also_on_start(lambda headers: quota.answered(reservation, headers))
    return replace(begun, on_piece=deliver)


def spent(outcome: ChatReply | ChatError, reservation: Reservation) -> float:
    """The tokens that a call with this outcome has used: those that the API counted. Where it counted none,
    all that were reserved, or 0 for an error that costs nothing."""
    if isinstance(outcome, ChatError):
        return billed_tokens(outcome, reservation.tokens, begun=reservation.landed)
    return used_tokens(outcome.usage, reservation.tokens)


def log_wait(model: str, seconds: float) -> None:
    """The event `chat.limited`; a wait that nobody would notice goes to the listeners only."""
    level = logging.INFO if seconds >= _LOGGED_WAIT else UNLOGGED
    event(level, "chat.limited", model=model, wait_ms=round(seconds * 1000))
