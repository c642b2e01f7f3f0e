#| odev 2.1 redact.redacted
def redacted(value: object, name: object = "") -> object:
    if isinstance(value, (str, int, float)) or value is None:
        return redacted_leaf(value, name)
    if isinstance(value, (list, tuple, set, frozenset)):
        items = []
        for item in value:
            items.append(redacted(item, name))
        return items
    if isinstance(value, Mapping):
        return dict((redacted_name(key), redacted(value[key], key)) for key in value)
    return redacted_leaf(value, name)
