#| odev 4.3 retry.Retried
import tenacity
from collections import defaultdict


class Retried:
    def __init__(self, next, policy=None, *, random=_random.random):
        self._next = next
        self._policy = policy if policy is not None else RetryPolicy()
        self._random = random
        self._budgets = defaultdict(RetryBudget)

    async def __call__(self, request):
        self._budgets[request.model].called(clock.now())
        with call_record() as record:
            try:
                async for attempt in self._attempts(request):
                    with attempt:
                        this = replace(request, attempt=attempt.retry_state.attempt_number)
                        return record.counted(await try_once(self._next, this, record))
            except tenacity.RetryError as error:
                raise error.last_attempt.exception() from None

    def _attempts(self, request):
        return tenacity.AsyncRetrying(
            retry=tenacity.retry_if_exception(lambda error: can_be_helped(error)),
            wait=partial(wait_before_retry, self._policy, self._random),
            stop=partial(is_over, self._policy, request, self._budgets[request.model]),
            before_sleep=partial(log_retry, request),
            sleep=clock.sleep,
        )
