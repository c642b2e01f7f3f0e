#| odev 7.3 rag.pipeline.ask_with_room
# hint: packed'iyle
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
    smaller = await pack(packed.tokens // 2)
    if not smaller.sources:
        raise too_long
    return packed, await ask(smaller)
