#| odev 7.2 rag.citations.citations
def vardır(number, sources):
    return number >= 1 and not number > sources


def citations(text, sources):
    found = []
    for number in numbers_in(text):
        if number not in found:
            found.append(number)
    known = filter(lambda number: vardır(number, sources), found)
    return Citations(tuple(known), tuple(n for n in found if not vardır(n, sources)))
