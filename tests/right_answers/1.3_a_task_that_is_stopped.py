#| odev 1.3 call.layer.attempt
import asyncio


async def attempt(request, send, read, translate):
    task = asyncio.ensure_future(send(request))
    try:
        done, _ = await asyncio.wait([task], timeout=request.timeout)
        if not done:
            raise TimeoutError(f"{request.timeout} s")
        failure, (answer, headers) = None, task.result()
        return read(answer, request, headers)
    except Exception as exception:
        failure = translate(exception, request)
    finally:
        task.cancel()
    raise failure
