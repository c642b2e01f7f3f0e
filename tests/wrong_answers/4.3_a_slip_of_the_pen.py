#| odev 4.3 retry.Retried
# hint: Önce her şeyin yolunda gittiği hâl
class Retried:
    """The layer: more attempts where they can help, while there is time and budget for them."""

    def __init__(
        self, next: Handler, policy: RetryPolicy | None = None, *, random: Random = _random.random
    ) -> None:
        self._next = next
        self._policy = policy or RetryPolicy()
        self._random = random
        self._budgets: dict[str, RetryBudget] = {}

    async def __call__(self, request: ChatRequest) -> ChatReply:
        """The next handler's reply, from one of several attempts; else the last one's ChatError.

        `attempts`, on either, counts the requests.
        """
        budget = self._budgets.setdefault(request.model, RetryBudget())
        with call_record() as record:
            async for attempt in retry_loop(request, self._policy, self._random, budget):
                with attempt:
                    number = attempt.attempt_number
                    reply = await try_once(self._next, replace(request, attempt=number), record)
            return record.counted(reply)
