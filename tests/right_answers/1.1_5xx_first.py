#| odev 1.1 errors.classify
def classify(
    status: int, *, code: str | None = None, type: str | None = None, message: str = ""
) -> type[ChatError]:
    if status >= 500:
        return ServerError
    for word in filter(None, (code, type)):
        if (error := BY_CODE.get(word.lower())) is not None:
            return error
    return class_by_text(status, message) or BY_STATUS.get(status, RequestRejected)
