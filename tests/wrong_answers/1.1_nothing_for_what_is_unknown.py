#| odev 1.1 errors.classify
# hint: RequestRejected olmalı
def classify(
    status: int, *, code: str | None = None, type: str | None = None, message: str = ""
) -> type[ChatError]:
    """The class of the error that the API answered with.

    `code` and `type` are those of the error body. They say more than the message, and the message says
    more than the status.
    """
    return (
        class_by_code(status, code)
        or class_by_code(status, type)
        or class_by_text(status, message)
        or BY_STATUS.get(status)
        or (ServerError if status >= 500 else None)
    )
