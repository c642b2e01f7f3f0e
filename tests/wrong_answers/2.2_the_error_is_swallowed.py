#| odev 2.2 log.layer.Logged
# hint: yalnızca `raise` yaz
class Logged:
    def __init__(self, next: Handler) -> None:
        self._next = next

    async def __call__(self, request: ChatRequest) -> ChatReply:
        """The next handler's reply or error, unchanged."""
        with log_context(call_id=new_call_id()), call_record() as record:
            started = time.perf_counter()
            try:
                reply = await self._next(request)
            except asyncio.CancelledError:
                log_call(logging.WARNING, request, record, started, outcome="cancelled")
                raise
            except Exception as error:
                outcome, fields = outcome_of(error, request)
                log_call(logging.ERROR, request, record, started, outcome=outcome, **fields)
                return None
            log_call(logging.INFO, request, record, started, outcome="ok", **reply_fields(reply, record))
            return reply
