#| odev 1.1 errors.classify
def says(table, word):
    return table.get((word or "").lower())


def classify(status, *, code=None, type=None, message=""):
    found = None
    if status < 500:
        found = says(BY_CODE, code) or says(BY_CODE, type)
        if found is None:
            found = class_by_text(status, message)
    if found is None and status in BY_STATUS:
        found = BY_STATUS[status]
    if found is None:
        found = RequestRejected if status < 500 else ServerError
    return found
