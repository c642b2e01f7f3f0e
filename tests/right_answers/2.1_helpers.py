#| odev 2.1 redact.redacted
KINDS = (list, tuple, set, frozenset)


def redacted_dict(value):
    return {redacted_name(key): redacted(item, key) for key, item in value.items()}


def redacted(value, name=""):
    if isinstance(value, Mapping):
        return redacted_dict(value)
    elif isinstance(value, KINDS):
        return [redacted(item, name) for item in value]
    else:
        return redacted_leaf(value, name)
