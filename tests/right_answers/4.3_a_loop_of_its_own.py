#| odev 4.3 retry.Retried
class Retried:
    def __init__(self, next, policy=None, *, random=_random.random):
        self._next = next
        self._policy = policy or RetryPolicy()
        self._random = random
        self._budgets = {}

    async def __call__(self, request):
        budget = self._budgets.setdefault(request.model, RetryBudget())
        budget.called(clock.now())
        number = 1
        with call_record() as record:
            while True:
                try:
                    reply = await try_once(self._next, replace(request, attempt=number), record)
                    return record.counted(reply)
                except ChatError as error:
                    if not error.retryable:
                        raise
                    wait = backoff(self._policy, number, self._random)
                    if error.retry_after is not None and not getattr(error, "place_kept", False):
                        wait = max(wait, with_jitter(error.retry_after, self._random))
                    now = clock.now()
                    late = request.deadline is not None and now + wait >= request.deadline
                    if number >= self._policy.attempts or late:
                        raise
                    if not isinstance(error, errors.RateLimited) and not budget.take(now):
                        raise
                    fields = {"model": request.model, "attempt": number, "kind": error.kind}
                    event(logging.INFO, "chat.retry", wait_ms=round(wait * 1000), **fields)
                await clock.sleep(wait)
                number += 1
