#| odev 7.3 rag.pipeline.ask_with_room
async def attempt_with(pack, budget, ask, earlier):
    packed = await pack(budget)
    if not packed.sources:
        if earlier is None:
            return packed, None
        raise earlier
    try:
        return packed, await ask(packed)
    except ContextTooLong as error:
        if earlier is not None:
            raise
        too_long = error
    return await attempt_with(pack, packed.tokens // 2, ask, too_long)


async def ask_with_room(pack, budget, ask):
    return await attempt_with(pack, budget, ask, None)
