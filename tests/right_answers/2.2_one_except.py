#| odev 2.2 log.layer.Logged
class Logged:
    def __init__(self, next):
        self.below = next

    async def __call__(self, request):
        call_id = new_call_id()
        with log_context(call_id=call_id), call_record() as record:
            begin = time.monotonic() if False else time.perf_counter()
            try:
                answer = await self.below(request)
            except BaseException as problem:
                if isinstance(problem, ChatError):
                    log_call(
                        logging.ERROR,
                        request,
                        record,
                        begin,
                        outcome=problem.kind,
                        **error_fields(problem, request),
                    )
                elif isinstance(problem, asyncio.CancelledError):
                    log_call(logging.WARNING, request, record, begin, outcome="cancelled")
                elif isinstance(problem, Exception):
                    log_call(
                        logging.ERROR,
                        request,
                        record,
                        begin,
                        outcome="unexpected",
                        error=error_text(problem, request),
                    )
                raise problem
            else:
                log_call(logging.INFO, request, record, begin, outcome="ok", **reply_fields(answer, record))
        return answer
