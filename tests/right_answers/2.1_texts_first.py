#| odev 2.1 redact.redacted
def redacted(value: object, name: str = "") -> object:
    if isinstance(value, str):
        if value and is_secret_name(name):
            return REDACTED
        return redact(value)
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, (list, tuple, set, frozenset)):
        items = []
        for item in value:
            items.append(redacted(item, name))
        return items
    if isinstance(value, Mapping):
        return dict((redacted_name(safe_str(key)), redacted(value[key], safe_str(key))) for key in value)
    if is_secret_name(name):
        return REDACTED
    if isinstance(value, int) or isinstance(value, float) and value == value and abs(value) != math.inf:
        return value
    return redact(safe_str(value))
