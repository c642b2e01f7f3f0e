#| odev 2.1 redact.redacted
# hint: Sözlüğün adları da
def redacted(value: object, name: object = "") -> object:
    if isinstance(value, Mapping):
        return {key: redacted(item, key) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [redacted(item, name) for item in value]
    return redacted_leaf(value, name)
