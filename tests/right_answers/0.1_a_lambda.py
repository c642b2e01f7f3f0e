#| odev 0.1 call.fields.text_of
text_of = lambda value: str(value) if type(value) in (str, int) else None
