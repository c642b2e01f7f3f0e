#| odev 0.1 call.fields.text_of
# hint: strip() onu siler
def text_of(value: object) -> str | None:
    """`value` as a text, if it is a text or a whole number; True and False are none."""
    return str(value).strip() if isinstance(value, str | int) and not isinstance(value, bool) else None
