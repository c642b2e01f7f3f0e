#| odev 7.1 rag.packing.pack
def pack(sources, budget, tokens):
    """Ne sığarsa."""
    found = list(sources)
    spent, inside = 0, []
    for candidate in found:
        price = tokens(block(number=len(inside) + 1, source=candidate))
        if spent + price > budget:
            continue
        inside, spent = [*inside, candidate], spent + price
    outside = tuple(candidate for candidate in found if not any(candidate is one for one in inside))
    return Packed(sources=tuple(inside), left_out=outside, tokens=spent)
