#| odev 7.1 rag.packing.pack
# hint: sırayı sen değiştirme
def pack(sources: Iterable[Source], budget: int, tokens: Callable[[str], int]) -> Packed:
    found = list(sources)
    if sum(tokens(block(1, source)) for source in found) > budget:
        found.sort(key=lambda source: len(source.text))
    chosen, left_out, left = [], [], budget
    for source in found:
        cost = tokens(block(len(chosen) + 1, source))
        if cost <= left:
            chosen.append(source)
            left -= cost
        else:
            left_out.append(source)
    return Packed(tuple(chosen), tuple(left_out), budget - left)
