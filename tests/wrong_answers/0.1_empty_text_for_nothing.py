#| odev 0.1 call.fields.text_of
# hint: boş metin
def text_of(value: object) -> str | None:
    """`value` if it is a text or a number."""
    if isinstance(value, bool) or not isinstance(value, str | int):
        return ""
    return str(value)
