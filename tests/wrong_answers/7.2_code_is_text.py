#| odev 7.2 rag.citations.citations
# hint: without_code(metin)
def citations(text: str, sources: int) -> Citations:
    numbers = {}
    for match in CITATION.finditer(text):
        numbers |= dict.fromkeys(int(number) for number in re.findall(r"\d+", match[1]))
    return Citations(
        tuple(number for number in numbers if 1 <= number <= sources),
        tuple(number for number in numbers if not 1 <= number <= sources),
    )
