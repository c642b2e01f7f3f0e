#| odev 7.2 rag.citations.citations
def citations(text, sources):
    cited, unknown = [], []
    for number in numbers_in(text):
        target = cited if 0 < number <= sources else unknown
        if number not in target:
            target.append(number)
    return Citations(tuple(cited), tuple(unknown))
