#| odev 2.1 redact.redacted
def redacted(value: object, name: object = "") -> object:
    match value:
        case Mapping():
            result = {}
            for key in value:
                text = safe_str(key)
                result[redacted_name(text)] = redacted(value[key], text)
            return result
        case list() | tuple() | set() | frozenset():
            return list(map(lambda item: redacted(item, name), value))
    return redacted_leaf(value, name)
