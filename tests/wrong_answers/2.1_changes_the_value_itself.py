#| odev 2.1 redact.redacted
# hint: programın kendi verisi
def redacted(value: object, name: object = "") -> object:
    if isinstance(value, dict):
        for key in list(value):
            value[redacted_name(key)] = redacted(value.pop(key), key)
        return value
    if isinstance(value, Mapping):
        return redacted(dict(value), name)
    if isinstance(value, list | tuple | set | frozenset):
        return [redacted(item, name) for item in value]
    return redacted_leaf(value, name)
