#| odev 0.1 call.fields.text_of
# hint: Liste ve sözlük
def text_of(value: object) -> str | None:
    """`value` if it is a text or a number."""
    if value is None or isinstance(value, bool):
        return None
    return str(value)
