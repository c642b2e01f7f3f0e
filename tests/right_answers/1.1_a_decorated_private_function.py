#| odev 1.1 errors.classify
import functools


@functools.lru_cache(maxsize=None)
def _classify(status, code, type, message):
    if status >= 500:
        return ServerError
    for word in (code, type):
        try:
            return BY_CODE[word.casefold()]
        except (KeyError, AttributeError):
            pass
    for row in BY_TEXT:
        if row[0] == status and row[1](message):
            return row[2]
    try:
        return BY_STATUS[status]
    except KeyError:
        return RequestRejected


classify = lambda status, *, code=None, type=None, message="": _classify(status, code, type, message)
