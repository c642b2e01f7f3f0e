#| odev 7.2 rag.citations.citations
# hint: tam sayılardan
def citations(text: str, sources: int) -> Citations:
    numbers = {}
    for match in CITATION.finditer(without_code(text)):
        numbers |= dict.fromkeys(re.findall(r"\d+", match[1]))
    return Citations(
        tuple(number for number in numbers if 1 <= int(number) <= sources),
        tuple(number for number in numbers if not 1 <= int(number) <= sources),
    )
