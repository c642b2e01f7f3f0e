#| odev 5.2 fallback.Fallback
import safechat.fallback as paket


def devam_mi(error, turn, request) -> bool:
    return bool(error.falls_back and turn.next_model) and not paket.time_is_over(request)


class Fallback:
    def __init__(self, next: Handler, fallbacks: Sequence[Target] = (), breaker=None, time_limits=None) -> None:
        self._targets = Targets(
            next,
            fallbacks,
            breaker if breaker is not None else BreakerPolicy(),
            time_limits if time_limits is not None else TimeLimits(),
        )

    async def __call__(self, request: ChatRequest) -> ChatReply:
        """Sırayla sorar."""
        with call_record() as record:
            siralar = self._targets.turns(request)
            failed, number = [], 0
            while number < len(siralar):
                turn = siralar[number]
                try:
                    return record.counted(await turn.reply())
                except ChatError as error:
                    failed += [error]
                    if not devam_mi(error, turn, request):
                        raise last_error(failed) from None
                    log_fallback(error, turn.next_model)
                number += 1
            raise last_error(failed)
