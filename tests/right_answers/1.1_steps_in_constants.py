#| odev 1.1 errors.classify
from itertools import chain

SUNUCU = range(500, 600)


def kelimeden(status, code, type, message):
    if status not in SUNUCU:
        yield from (BY_CODE[k.lower()] for k in (code, type) if k and k.lower() in BY_CODE)


def metinden(status, code, type, message):
    if status not in SUNUCU:
        yield from filter(None, [class_by_text(status, message)])


def durumdan(status, code, type, message):
    yield BY_STATUS.get(status, ServerError if status in SUNUCU else RequestRejected)


ADIMLAR = [kelimeden, metinden, durumdan]


def classify(status, *, code=None, type=None, message=""):
    return next(chain.from_iterable(adım(status, code, type, message) for adım in ADIMLAR))
