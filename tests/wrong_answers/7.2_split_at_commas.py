#| odev 7.2 rag.citations.citations
# hint: noktalı virgül
def citations(text: str, sources: int) -> Citations:
    numbers = {}
    for match in CITATION.finditer(without_code(text)):
        numbers |= dict.fromkeys(int(number) for number in match[1].split(","))
    return Citations(
        tuple(number for number in numbers if 1 <= number <= sources),
        tuple(number for number in numbers if not 1 <= number <= sources),
    )
