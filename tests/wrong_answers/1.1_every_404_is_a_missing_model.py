#| odev 1.1 errors.classify
# hint: adres yanlışsa
def classify(
    status: int, *, code: str | None = None, type: str | None = None, message: str = ""
) -> type[ChatError]:
    """The class of the error that the API answered with.

    `code` and `type` are those of the error body; a code says more than a status.
    """
    for word in (code, type):
        if word and 400 <= status < 500 and (named := _BY_CODE.get(word.lower())):
            return named
    if by_status := _BY_STATUS.get(status):
        return by_status
    for known_status, pattern, by_text in _BY_TEXT:
        if status == known_status and pattern.search(message):
            return by_text
    if status == 404:
        return ModelUnavailable
    return ServerError if status >= 500 else RequestRejected
