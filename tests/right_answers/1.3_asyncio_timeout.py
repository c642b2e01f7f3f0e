#| odev 1.3 call.layer.attempt
import asyncio


async def attempt(request, send, read, translate):
    error = None
    try:
        async with asyncio.timeout(request.timeout):
            answer, headers = await send(request)
            reply = read(answer, request, headers)
    except Exception as exception:
        error = translate(exception, request)
    if error is not None:
        raise error
    return reply
