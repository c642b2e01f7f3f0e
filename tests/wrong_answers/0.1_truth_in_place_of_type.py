#| odev 0.1 call.fields.text_of
# hint: if value
def text_of(value: object) -> str | None:
    """`value` if it is a text or a number."""
    if value and isinstance(value, str | int) and not isinstance(value, bool):
        return str(value)
    return None
