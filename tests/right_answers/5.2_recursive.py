#| odev 5.2 fallback.Fallback
class Fallback:
    """Asks the first turn; the rest is the same question with fewer turns."""

    def __init__(
        self,
        next: Handler,
        fallbacks: Sequence[Target] = (),
        breaker: BreakerPolicy | None = None,
        time_limits: TimeLimits | None = None,
    ) -> None:
        self._targets = Targets(next, fallbacks, breaker or BreakerPolicy(), time_limits or TimeLimits())

    async def __call__(self, request: ChatRequest) -> ChatReply:
        with call_record():
            return await self._ask(request, self._targets.turns(request), [])

    async def _ask(self, request, turns, failed):
        turn, *rest = turns
        try:
            return await turn.reply()
        except ChatError as error:
            failed = [*failed, error]
        if not rest or not failed[-1].falls_back or time_is_over(request):
            raise last_error(failed)
        log_fallback(failed[-1], turn.next_model)
        return await self._ask(request, rest, failed)
