#| odev 4.1 headers.retry_after
def retry_after(headers: Mapping[str, str], now: float | None = None) -> float | None:
    """API'nin istediği bekleme."""
    sıra = (("retry-after-ms", milliseconds_wait), ("retry-after", seconds_wait), ("retry-after", date_wait))
    for ad, oku in sıra:
        if (bekleme := oku(headers.get(ad, ""), now)) is not None:
            return bekleme
    return reset_wait(headers, now)
