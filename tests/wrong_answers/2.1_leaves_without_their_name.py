#| odev 2.1 redact.redacted
# hint: adıyla birlikte
def redacted(value: object, name: str = "") -> object:
    """`value`, which stands under `name`, as JSON can hold it: without any secret, however deep it is.

    A dict stays a dict: its names become texts, redacted, and each of its values is redacted under its own
    name. A list, tuple or set becomes a list, and all of its items stand under the list's `name`. Anything
    else is redacted by `redacted_leaf`. `value` itself does not change.
    """
    if isinstance(value, Mapping):
        return {redacted_name(safe_str(key)): redacted(item, safe_str(key)) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [redacted(item, name) for item in value]
    return redacted_leaf(value)
