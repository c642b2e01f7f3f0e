#| odev 4.3 retry.Retried
from collections import defaultdict


class Retried:
    def __init__(self, next, policy=None, *, random=_random.random):
        self._next = next
        self._policy = policy if policy is not None else RetryPolicy()
        self._random = random
        self._budgets = defaultdict(RetryBudget)

    async def __call__(self, request):
        bütçe = self._budgets[request.model]
        bütçe.called(clock.now())
        with call_record() as record:
            async for attempt in retry_loop(request, self._policy, self._random, bütçe):
                with attempt:
                    return await self._bir_kez(request, attempt, record)

    async def _bir_kez(self, request, attempt, record):
        bu = replace(request, attempt=attempt.retry_state.attempt_number)
        return record.counted(await try_once(self._next, bu, record))
