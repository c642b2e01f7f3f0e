#| odev 7.2 rag.citations.citations
# hint: [0] da öyle
def citations(text: str, sources: int) -> Citations:
    numbers = {}
    for match in CITATION.finditer(without_code(text)):
        numbers |= dict.fromkeys(int(number) for number in re.findall(r"\d+", match[1]))
    return Citations(
        tuple(number for number in numbers if 0 <= number <= sources),
        tuple(number for number in numbers if not 0 <= number <= sources),
    )
