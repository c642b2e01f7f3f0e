#| odev 2.1 redact.redacted
from collections.abc import Mapping

KINDS = (list, tuple, set, frozenset)


def redacted_dict(value):
    return {redacted_name(safe_str(key)): redacted(item, safe_str(key)) for key, item in value.items()}


def is_number(value):
    return isinstance(value, (int, float)) and math.isfinite(value)


def redacted(value, name=""):
    if isinstance(value, Mapping):
        return redacted_dict(value)
    elif isinstance(value, KINDS):
        return [redacted(item, name) for item in value]
    elif value in (None,) or value is True or value is False:
        return value
    text = safe_str(value)
    if is_secret_name(name):
        return REDACTED if text else ""
    return value if is_number(value) else redact(text)
