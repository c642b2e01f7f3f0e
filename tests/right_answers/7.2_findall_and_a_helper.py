#| odev 7.2 rag.citations.citations
SAYI = re.compile(r"\d+")


def once(numbers):
    seen = []
    for number in numbers:
        if number not in seen:
            seen.append(number)
    return tuple(seen)


def citations(text, sources):
    numbers = [int(word) for inside in CITATION.findall(without_code(text)) for word in SAYI.findall(inside)]
    known = [number for number in numbers if 1 <= number <= sources]
    return Citations(once(known), once(number for number in numbers if number not in known))
