#| odev 0.1 call.fields.text_of
# hint: 1.5 gibi
def text_of(value: object) -> str | None:
    """`value` as a text, if it is a text or a whole number; True and False are none."""
    return str(value) if isinstance(value, str | int | float) and not isinstance(value, bool) else None
