#| odev 3.2 limits.layer.Limited
import sys


class Limited:
    def __init__(self, next, quotas=None, estimator=None):
        self._next = next
        self._quotas = quotas or Quotas(RateLimits())
        self._estimator = estimator or TokenEstimator()

    async def __call__(self, request):
        quota = self._quotas.of(request.model)
        r = await reserved(quota, request, self._estimator.estimate(request))
        r.__enter__()
        try:
            reply = await self._next(watched(request, quota, r))
            r.settle(spent(reply, r))
            self._estimator.learn(request, reply)
            quota.answered(r, reply.headers)
            return reply
        except ChatError as e:
            r.settle(spent(e, r))
            if isinstance(e, RateLimited):
                quota.refused(request, r, e)
            raise e
        finally:
            r.__exit__(*sys.exc_info())
