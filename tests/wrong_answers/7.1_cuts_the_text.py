#| odev 7.1 rag.packing.pack
# hint: yarım bir metin
def pack(sources: Iterable[Source], budget: int, tokens: Callable[[str], int]) -> Packed:
    chosen, left_out, left = [], [], budget
    for source in sources:
        cost = tokens(block(len(chosen) + 1, source))
        if cost <= left:
            chosen.append(source)
            left -= cost
        else:
            half = Source(source.text[: max(left - 80, 1)], source.title)
            chosen.append(half)
    return Packed(tuple(chosen), tuple(left_out), budget - left)
