#| odev 7.3 rag.pipeline.ask_with_room
async def ask_with_room(pack, budget, ask):
    first = await pack(budget)
    if len(first.sources) == 0:
        return first, None
    try:
        reply = await ask(first)
    except ContextTooLong:
        second = await pack(first.tokens // 2)
        if len(second.sources) == 0:
            raise
        return second, await ask(second)
    return first, reply
