#| odev 3.2 limits.layer.Limited
# hint: üstteki onu da yakalar
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

        At the end, however it comes, the reservation is given back. An answer is settled by its usage, an
        error by what it may have cost; a 429 is made known to the quota, and each answer to the estimator
        and the quota.

        Raises what `reserved` raises, and the next handler's errors.
        """
        quota = self._quotas.of(request.model)
        reservation = await reserved(quota, request, self._estimator.estimate(request))
        with reservation:
            try:
                reply = await self._next(watched(request, quota, reservation))
            except ChatError as error:
                reservation.settle(spent(error, reservation))
                raise
            except RateLimited as error:
                reservation.settle(spent(error, reservation))
                quota.refused(request, reservation, error)
                raise
            reservation.settle(spent(reply, reservation))
            self._estimator.learn(request, reply)
            quota.answered(reservation, reply.headers)
            return reply
