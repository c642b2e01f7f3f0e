#| odev 1.3 call.layer.attempt
async def attempt(request, send, read, translate):
    async def inner():
        with anyio.move_on_after(request.timeout) as scope:
            answer, headers = await send(request)
            return read(answer, request, headers), None
        return None, translate(TimeoutError("süre doldu"), request)

    try:
        reply, failure = await inner()
    except Exception as exception:
        failure = translate(exception, request)
    if failure:
        raise failure
    return reply
