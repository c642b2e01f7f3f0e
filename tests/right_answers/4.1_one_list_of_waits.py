#| odev 4.1 headers.retry_after
def retry_after(headers, now=None):
    now = now if now is not None else time.time()
    metin = headers.get("retry-after")
    adaylar = [
        milliseconds_wait(headers.get("retry-after-ms"), now),
        seconds_wait(metin, now),
        date_wait(metin, now),
        reset_wait(headers, now),
    ]
    return next((aday for aday in adaylar if aday is not None), None)
