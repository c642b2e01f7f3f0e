#| odev 1.3 call.layer.attempt
import asyncio as aio

SÜRE_BİTTİ = (TimeoutError, aio.TimeoutError)


async def attempt(request, send, read, translate):
    try:
        answer, headers = await aio.wait_for(send(request), request.timeout)
        return read(answer, request, headers)
    except SÜRE_BİTTİ as e:
        problem = translate(e, request)
    except Exception as e:
        problem = translate(e, request)
    problem.__context__ = problem.__cause__ = None
    raise problem
