#| odev 1.1 errors.classify
def classify(
    status: int, *, code: str | None = None, type: str | None = None, message: str = ""
) -> type[ChatError]:
    if status >= 500:
        return ServerError
    for word in filter(None, (code, type)):
        if (error := BY_CODE.get(word.lower())) is not None:
            return error
    for known, matches, error in BY_TEXT:
        if known == status and matches(message):
            return error
    return BY_STATUS.get(status, RequestRejected)
