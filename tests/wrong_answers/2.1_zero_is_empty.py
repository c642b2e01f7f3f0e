#| odev 2.1 redact.redacted
# hint: 0 ise
def redacted(value: object, name: str = "") -> object:
    if isinstance(value, Mapping):
        return {redacted_name(safe_str(key)): redacted(item, safe_str(key)) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [redacted(item, name) for item in value]
    if value is None or isinstance(value, bool):
        return value
    if is_secret_name(name) and value:
        return REDACTED
    if isinstance(value, int) or (isinstance(value, float) and math.isfinite(value)):
        return value
    return redact(safe_str(value))
