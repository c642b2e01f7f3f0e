#| odev 0.1 call.fields.text_of
# hint: bytes
def text_of(value: object) -> str | None:
    """`value` as a text, if it is a text or a whole number; True and False are none."""
    if isinstance(value, bytes):
        return value.decode()
    return str(value) if isinstance(value, str | int) and not isinstance(value, bool) else None
