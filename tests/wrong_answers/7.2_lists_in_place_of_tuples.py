#| odev 7.2 rag.citations.citations
# hint: tuple
def citations(text: str, sources: int) -> Citations:
    """The citations in an answer to a prompt with this number of sources. Code is not looked at."""
    numbers = dict.fromkeys(numbers_in(text))
    return Citations(
        [number for number in numbers if 1 <= number <= sources],
        [number for number in numbers if not 1 <= number <= sources],
    )
