#| odev 7.2 rag.citations.citations
# hint: bir kez sayılır
def citations(text: str, sources: int) -> Citations:
    """The citations in an answer to a prompt with this number of sources. Code is not looked at."""
    numbers = numbers_in(text)
    return Citations(
        tuple(number for number in numbers if 1 <= number <= sources),
        tuple(number for number in numbers if not 1 <= number <= sources),
    )
