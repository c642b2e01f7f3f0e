#| odev 7.3 rag.pipeline.ask_with_room
# hint: yarısıyla
async def ask_with_room(
    pack: Callable[[int], Awaitable[Packed]], budget: int, ask: Callable[[Packed], Awaitable[T]]
) -> tuple[Packed, T | None]:
    packed = await pack(budget)
    if not packed.sources:
        return packed, None
    try:
        return packed, await ask(packed)
    except ContextTooLong as error:
        too_long = error
    return packed, await ask(packed)
