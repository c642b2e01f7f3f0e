#| odev 0.1 call.fields.text_of
# hint: str(None)
def text_of(value: object) -> str | None:
    """`value` if it is a text or a number."""
    return str(value)
