#| odev 7.2 rag.citations.citations
def citations(text, sources):
    numbers = list(dict.fromkeys(
        int(word) for match in CITATION.finditer(without_code(text)) for word in re.findall("[0-9]+", match[1])
    ))
    return Citations(
        cited=tuple(n for n in numbers if 0 < n <= sources),
        unknown=tuple(n for n in numbers if n < 1 or n > sources),
    )
