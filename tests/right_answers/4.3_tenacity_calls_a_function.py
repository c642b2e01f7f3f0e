#| odev 4.3 retry.Retried
class Retried:
    """The layer: more attempts where they can help, while there is time and budget for them."""

    def __init__(self, next: Handler, policy: RetryPolicy | None = None, *, random=_random.random) -> None:
        self._next = next
        self._policy = policy or RetryPolicy()
        self._random = random
        self._budgets: dict[str, RetryBudget] = {}

    async def __call__(self, request: ChatRequest) -> ChatReply:
        if request.model not in self._budgets:
            self._budgets[request.model] = RetryBudget()
        budget = self._budgets[request.model]
        budget.called(clock.now())
        numara = 0

        with call_record() as record:

            async def dene():
                nonlocal numara
                numara += 1
                return await try_once(self._next, replace(request, attempt=numara), record)

            döngü = retry_loop(request, policy=self._policy, random=self._random, budget=budget)
            return record.counted(await döngü(dene))
