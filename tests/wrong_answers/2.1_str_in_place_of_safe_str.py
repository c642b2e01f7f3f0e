#| odev 2.1 redact.redacted
# hint: safe_str kullan
def redacted(value: object, name: str = "") -> object:
    if isinstance(value, Mapping):
        return {redacted_name(str(key)): redacted(item, str(key)) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [redacted(item, name) for item in value]
    if value is None or isinstance(value, bool):
        return value
    if is_secret_name(name) and str(value) != "":
        return REDACTED
    if isinstance(value, int) or (isinstance(value, float) and math.isfinite(value)):
        return value
    return redact(str(value))
