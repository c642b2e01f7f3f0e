#| odev 5.2 fallback.Fallback
class Fallback:
    def __init__(self, next, fallbacks=(), breaker=None, time_limits=None):
        self._targets = Targets(next, fallbacks, breaker or BreakerPolicy(), time_limits or TimeLimits())

    async def __call__(self, request):
        hatalar = []
        with call_record():
            for turn in self._targets.turns(request):
                try:
                    cevap = await turn.reply()
                except ChatError as hata:
                    hatalar.append(hata)
                    sirada_var = turn.next_model is not None
                    if sirada_var and hata.falls_back and not time_is_over(request):
                        log_fallback(hata, turn.next_model)
                        continue
                    raise last_error(hatalar)
                else:
                    return cevap
