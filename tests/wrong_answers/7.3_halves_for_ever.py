#| odev 7.3 rag.pipeline.ask_with_room
# hint: Sonsuza dek
async def ask_with_room(
    pack: Callable[[int], Awaitable[Packed]], budget: int, ask: Callable[[Packed], Awaitable[T]]
) -> tuple[Packed, T | None]:
    while True:
        packed = await pack(budget)
        if not packed.sources:
            return packed, None
        try:
            return packed, await ask(packed)
        except ContextTooLong as error:
            budget = packed.tokens // 2
            if packed.tokens < 90:
                raise error
