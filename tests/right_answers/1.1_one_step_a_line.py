#| odev 1.1 errors.classify
def classify(status, *, code=None, type=None, message=""):
    for error in (class_by_code(status, code), class_by_code(status, type), class_by_text(status, message)):
        if error is not None:
            return error
    if status in BY_STATUS:
        return BY_STATUS[status]
    if status >= 500:
        return ServerError
    return RequestRejected
