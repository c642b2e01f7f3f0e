#| odev 0.1 call.fields.text_of
# hint: str(None)
def text_of(value: object) -> str | None:
    """`value` as a text, if it is a text or a whole number; True and False are none."""
    return str(value)
