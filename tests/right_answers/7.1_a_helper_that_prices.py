#| odev 7.1 rag.packing.pack
def price_of(tokens, number, source):
    return tokens(block(number, source))


def pack(sources, budget, tokens):
    result = Packed()
    for source in sources:
        price = price_of(tokens, len(result.sources) + 1, source)
        if result.tokens + price <= budget:
            result = Packed((*result.sources, source), result.left_out, result.tokens + price)
        else:
            result = Packed(result.sources, (*result.left_out, source), result.tokens)
    return result
