#| odev 0.1 call.fields.text_of
# hint: 429
def text_of(value: object) -> str | None:
    """`value` if it is a text or a number."""
    return value if isinstance(value, str) else None
