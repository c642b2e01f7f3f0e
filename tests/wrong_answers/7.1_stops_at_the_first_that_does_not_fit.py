#| odev 7.1 rag.packing.pack
# hint: durma
def pack(sources: Iterable[Source], budget: int, tokens: Callable[[str], int]) -> Packed:
    sources = list(sources)
    chosen, left = [], budget
    for source in sources:
        cost = tokens(block(len(chosen) + 1, source))
        if cost > left:
            break
        chosen.append(source)
        left -= cost
    return Packed(tuple(chosen), tuple(sources[len(chosen) :]), budget - left)
