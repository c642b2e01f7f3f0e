#| odev 7.2 rag.citations.citations
# hint: Kendi kalıbını yazma
def citations(text: str, sources: int) -> Citations:
    numbers = {}
    for match in re.compile(r"\[([\d, ]+)\]").finditer(without_code(text)):
        numbers |= dict.fromkeys(int(number) for number in re.findall(r"\d+", match[1]))
    return Citations(
        tuple(number for number in numbers if 1 <= number <= sources),
        tuple(number for number in numbers if not 1 <= number <= sources),
    )
