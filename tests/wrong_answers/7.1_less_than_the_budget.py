#| odev 7.1 rag.packing.pack
# hint: Karşılaştırma işaretine
def pack(sources: Iterable[Source], budget: int, tokens: Callable[[str], int]) -> Packed:
    chosen, left_out, left = [], [], budget
    for source in sources:
        cost = tokens(block(len(chosen) + 1, source))
        if cost < left:
            chosen.append(source)
            left -= cost
        else:
            left_out.append(source)
    return Packed(tuple(chosen), tuple(left_out), budget - left)
