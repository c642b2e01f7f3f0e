#| odev 1.1 errors.classify
# hint: kelimeyi class_by_code ile ara
def classify(
    status: int, *, code: str | None = None, type: str | None = None, message: str = ""
) -> type[ChatError]:
    """The class of the error that the API answered with.

    `code` and `type` are those of the error body. They say more than the message, and the message says
    more than the status.
    """
    for word in (code, type):
        if word and (by_code := BY_CODE.get(word.lower())):
            return by_code
    if by_text := class_by_text(status, message):
        return by_text
    if by_status := BY_STATUS.get(status):
        return by_status
    return ServerError if status >= 500 else RequestRejected
