#| odev 7.2 rag.citations.citations
# hint: unknown'a gider
def citations(text: str, sources: int) -> Citations:
    """The citations in an answer to a prompt with this number of sources. Code is not looked at."""
    numbers = dict.fromkeys(numbers_in(text))
    return Citations(tuple(number for number in numbers if 1 <= number <= sources), ())
