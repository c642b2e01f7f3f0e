#| odev 2.1 redact.redacted
# hint: Listenin adı
def redacted(value: object, name: str = "") -> object:
    if isinstance(value, Mapping):
        return {redacted_name(safe_str(key)): redacted(item, safe_str(key)) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [redacted(item) for item in value]
    return redacted_leaf(value, name)
