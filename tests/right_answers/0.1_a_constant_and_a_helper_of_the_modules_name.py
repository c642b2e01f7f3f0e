#| odev 0.1 call.fields.text_of
METNE_ÇEVRİLEN = (str, int)


def plain(value):
    return str(value)


def text_of(value):
    if isinstance(value, bool):
        return None
    if isinstance(value, METNE_ÇEVRİLEN):
        return plain(value)
