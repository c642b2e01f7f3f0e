#| odev 0.1 call.fields.text_of
# hint: if value
def text_of(value: object) -> str | None:
    """`value` as a text, if it is a text or a whole number; True and False are none."""
    if value and isinstance(value, str | int) and not isinstance(value, bool):
        return str(value)
    return None
