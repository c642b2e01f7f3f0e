#| odev 7.3 rag.pipeline.ask_with_room
async def ask_with_room(pack, budget, ask):
    failure = None
    for _ in range(2):
        packed = await pack(budget)
        if not packed.sources:
            if failure:
                raise failure
            break
        try:
            return packed, await ask(packed)
        except ContextTooLong as error:
            if failure:
                raise
            failure = error
            budget = packed.tokens // 2
    return packed, None
