#| odev 7.1 rag.packing.pack
def pack(sources, budget, tokens):
    remaining = budget
    seçilen, kalan = (), ()
    for source in sources:
        after = remaining - tokens(block(1 + len(seçilen), source))
        if after < 0:
            kalan += (source,)
            continue
        remaining = after
        seçilen += (source,)
    return Packed(seçilen, kalan, budget - remaining)
