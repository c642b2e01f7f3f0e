#| odev 2.2 log.layer.Logged
class Logged:
    def __init__(self, next: Handler) -> None:
        self._next = next

    async def __call__(self, request: ChatRequest) -> ChatReply:
        level, end = logging.WARNING, {"outcome": "cancelled"}
        with log_context(call_id=new_call_id()):
            with call_record() as record:
                started = time.perf_counter()
                try:
                    reply = await self._next(request)
                    level, end = logging.INFO, {"outcome": "ok"} | reply_fields(reply, record)
                    return reply
                except ChatError as error:
                    level, end = logging.ERROR, {"outcome": error.kind} | error_fields(error, request)
                    raise
                except Exception as error:
                    level, end = logging.ERROR, {"outcome": "unexpected", "error": error_text(error, request)}
                    raise
                finally:
                    log_call(level, request, record, started, **end)
