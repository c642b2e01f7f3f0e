#| odev 1.3 call.layer.attempt
# hint: başka bir değişkende sakla
async def attempt(
    request: ChatRequest,
    send: Callable[[ChatRequest], Awaitable[Answer]],
    read: Callable[[object, ChatRequest, Mapping[str, str]], ChatReply],
    translate: Callable[[Exception, ChatRequest], ChatError],
) -> ChatReply:
    """One request and its answer, within `request.timeout` seconds in all, however the bytes come.

    `await send(request)` gives the answer and its headers; `read(answer, request, headers)` makes a
    reply of them, or raises. Whatever Exception the two raise, the SDK's own or not, and a TimeoutError
    when the time is over: what `translate(exception, request)` makes of it is raised in its place, and
    the exception, whose request may hold the key, is nowhere on it, as `__cause__` or as `__context__`.
    """
    try:
        with anyio.fail_after(request.timeout):
            answer, headers = await send(request)
        return read(answer, request, headers)
    except Exception as exception:
        pass
    raise translate(exception, request)
