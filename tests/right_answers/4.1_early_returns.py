#| odev 4.1 headers.retry_after
def retry_after(headers, now=None):
    ms = milliseconds_wait(headers.get("retry-after-ms"), now)
    if ms is not None:
        return ms
    metin = headers.get("retry-after")
    if metin:
        saniye = seconds_wait(metin, now)
        if saniye is not None:
            return saniye
        fark = date_wait(metin, now)
        if fark is not None:
            return fark
    return reset_wait(headers, now)
