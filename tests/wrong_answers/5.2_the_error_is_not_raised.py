#| odev 5.2 fallback.Fallback
# hint: kodda hiç `raise` yok
class Fallback:
    """The layer. `next` gets the request's own model, then come the `fallbacks`, one after the other.

    After an error the next model is asked only where that error `falls_back`, and while there is time.
    """

    def __init__(
        self,
        next: Handler,
        fallbacks: Sequence[Target] = (),
        breaker: BreakerPolicy | None = None,
        time_limits: TimeLimits | None = None,
    ) -> None:
        self._targets = Targets(next, fallbacks, breaker or BreakerPolicy(), time_limits or TimeLimits())

    async def __call__(self, request: ChatRequest) -> ChatReply:
        """The first reply; else the error of the last target, or one that no other model would mend."""
        failed: list[ChatError] = []
        with call_record():
            for turn in self._targets.turns(request):
                try:
                    return await turn.reply()
                except ChatError as error:
                    failed.append(error)
                    if turn.next_model is None or not error.falls_back or time_is_over(request):
                        break
                    log_fallback(error, turn.next_model)
        last_error(failed)
