#| odev 2.2 log.layer.Logged
from functools import partial


class Logged:
    def __init__(self, next: Handler) -> None:
        self._next = next

    async def __call__(self, request: ChatRequest) -> ChatReply:
        with log_context(call_id=new_call_id()), call_record() as record:
            return await self._logged(request, record, time.perf_counter())

    async def _logged(self, request, record, started):
        write = partial(log_call, request=request, record=record, started=started)
        try:
            reply = await self._next(request)
        except asyncio.CancelledError:
            write(logging.WARNING, outcome="cancelled")
            raise
        except ChatError as error:
            write(logging.ERROR, outcome=error.kind, **error_fields(error, request))
            raise
        except Exception as error:
            write(logging.ERROR, outcome="unexpected", error=error_text(error, request))
            raise
        write(logging.INFO, outcome="ok", **reply_fields(reply, record))
        return reply
