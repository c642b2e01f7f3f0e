#| odev 1.1 errors.classify
# hint: Kendi cümlelerini
def classify(
    status: int, *, code: str | None = None, type: str | None = None, message: str = ""
) -> type[ChatError]:
    """The class of the error that the API answered with.

    `code` and `type` are those of the error body. They say more than the message, and the message says
    more than the status.
    """
    for word in (code, type):
        if word and 400 <= status < 500 and (by_code := BY_CODE.get(word.lower())):
            return by_code
    text = message.lower()
    if status == 404 and "model" in text:
        return ModelUnavailable
    if status == 400 and "maximum context length" in text:
        return ContextTooLong
    if status == 429 and "request too large" in text:
        return RequestTooLarge
    if by_status := BY_STATUS.get(status):
        return by_status
    return ServerError if status >= 500 else RequestRejected
