#| odev 2.1 redact.redacted
def redacted(value: object, name: str = "") -> object:
    match value:
        case None | True | False:
            return value
        case Mapping():
            result = {}
            for key in value:
                text = safe_str(key)
                result[redacted_name(text)] = redacted(value[key], text)
            return result
        case list() | tuple() | set() | frozenset():
            return list(map(lambda item: redacted(item, name), value))
        case "":
            return ""
    if is_secret_name(name):
        return REDACTED
    match value:
        case int():
            return value
        case float() if math.isfinite(value):
            return value
    return redact(safe_str(value))
