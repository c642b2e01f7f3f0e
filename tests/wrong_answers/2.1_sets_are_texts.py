#| odev 2.1 redact.redacted
# hint: kümelerin
def redacted(value: object, name: object = "") -> object:
    if isinstance(value, Mapping):
        return {redacted_name(key): redacted(item, key) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [redacted(item, name) for item in value]
    return redacted_leaf(value, name)
