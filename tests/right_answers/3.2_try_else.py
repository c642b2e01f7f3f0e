#| odev 3.2 limits.layer.Limited
class Limited:
    def __init__(self, next, quotas=None, estimator=None):
        self._next = next
        self._quotas = quotas or Quotas(RateLimits())
        self._estimator = estimator or TokenEstimator()

    async def __call__(self, request):
        kota = self._quotas.of(request.model)
        tahmin = self._estimator.estimate(request)
        with await reserved(kota, request, tahmin) as yer:
            izlenen = watched(request, kota, yer)
            try:
                cevap = await self._next(izlenen)
            except RateLimited as hata:
                yer.settle(spent(hata, yer))
                kota.refused(request, yer, hata)
                raise
            except ChatError as hata:
                yer.settle(spent(hata, yer))
                raise
            else:
                yer.settle(spent(cevap, yer))
                kota.answered(yer, cevap.headers)
                self._estimator.learn(request, cevap)
                return cevap
