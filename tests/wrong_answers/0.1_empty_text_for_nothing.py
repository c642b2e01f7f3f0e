#| odev 0.1 call.fields.text_of
# hint: boş metin
def text_of(value: object) -> str | None:
    """`value` as a text, if it is a text or a whole number; True and False are none."""
    if isinstance(value, bool) or not isinstance(value, str | int):
        return ""
    return str(value)
