#| odev 7.2 rag.citations.citations
# hint: bir kez sayılır
def citations(text: str, sources: int) -> Citations:
    numbers = []
    for match in CITATION.finditer(without_code(text)):
        numbers += [int(number) for number in re.findall(r"\d+", match[1])]
    return Citations(
        tuple(dict.fromkeys(number for number in numbers if 1 <= number <= sources)),
        tuple(number for number in numbers if not 1 <= number <= sources),
    )
