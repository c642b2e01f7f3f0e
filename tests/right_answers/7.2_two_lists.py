#| odev 7.2 rag.citations.citations
def citations(text, sources):
    bilinen, bilinmeyen = [], []
    for match in re.finditer(CITATION, without_code(text)):
        for part in re.split("[,;]", match.group(1)):
            number = int(part)
            target = bilinen if number in range(1, sources + 1) else bilinmeyen
            if number not in target:
                target.append(number)
    return Citations(tuple(bilinen), tuple(bilinmeyen))
