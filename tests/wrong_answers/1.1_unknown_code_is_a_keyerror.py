#| odev 1.1 errors.classify
# hint: kelimeyi class_by_code ile ara
def classify(
    status: int, *, code: str | None = None, type: str | None = None, message: str = ""
) -> type[ChatError]:
    """The class of the error that the API answered with.

    `code` and `type` are those of the error body. They say more than the message, and the message says
    more than the status.
    """
    if 400 <= status < 500:
        for word in (code, type):
            if word:
                return BY_CODE[word.lower()]
    if by_text := class_by_text(status, message):
        return by_text
    if by_status := BY_STATUS.get(status):
        return by_status
    return ServerError if status >= 500 else RequestRejected
