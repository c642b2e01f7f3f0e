#| odev 3.2 limits.layer.Limited
class Limited:
    """Sırasını bekleyen katman."""

    def __init__(self, next, quotas=None, estimator=None):
        self._next = next
        self._quotas = quotas or Quotas(RateLimits())
        self._estimator = estimator or TokenEstimator()

    async def __call__(self, request: ChatRequest) -> ChatReply:
        quota = self._quotas.of(request.model)
        reservation = await reserved(quota, request, self._estimator.estimate(request))
        with reservation:
            try:
                reply = await self._next(watched(request, quota, reservation))
            except ChatError as error:
                self._failed(request, quota, reservation, error)
                raise
            self._answered(request, quota, reservation, reply)
        return reply

    def _failed(self, request, quota, reservation, error):
        cost = spent(error, reservation)
        reservation.settle(cost)
        if type(error).__name__ == "RateLimited" or isinstance(error, RateLimited):
            quota.refused(request, reservation, error)

    def _answered(self, request, quota, reservation, reply):
        quota.answered(reservation, reply.headers)
        self._estimator.learn(request, reply)
        reservation.settle(spent(reply, reservation))
