#| odev 2.1 redact.redacted
# hint: adıyla birlikte
def redacted(value: object, name: object = "") -> object:
    """`value`, which stands under `name`, as JSON can hold it: without any secret, however deep it is.

    A dict stays a dict: its names are redacted by `redacted_name`, and each of its values under its own name.
    A list, tuple or set becomes a list, and all of its items stand under the list's `name`. Anything else is
    redacted by `redacted_leaf`. `value` itself does not change.
    """
    if isinstance(value, Mapping):
        return {redacted_name(key): redacted(item, key) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [redacted(item, name) for item in value]
    return redacted_leaf(value)
