#| odev 4.1 headers.retry_after
def retry_after(headers, now=None):
    if now is None:
        now = time.time()
    for ad, bölen in (("retry-after-ms", 1000), ("retry-after", 1)):
        sayı = number_in(headers.get(ad))
        if sayı is not None:
            return as_wait(sayı / bölen, now)
    tarih = headers.get("retry-after")
    if tarih:
        fark = date_wait(tarih, now)
        if fark is not None:
            return fark
    return reset_wait(headers, now)
