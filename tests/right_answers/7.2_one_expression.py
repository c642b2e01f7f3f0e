#| odev 7.2 rag.citations.citations
def citations(text: str, sources: int) -> Citations:
    numbers = list(dict.fromkeys(numbers_in(text)))
    return Citations(
        cited=tuple(n for n in numbers if n in range(1, sources + 1)),
        unknown=tuple(n for n in numbers if n not in range(1, sources + 1)),
    )
