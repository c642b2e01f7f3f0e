#| odev 4.1 headers.retry_after
import datetime as dt


def tarihten(metin: str, an: float) -> float | None:
    try:
        o_an = parsedate_to_datetime(metin)
    except (TypeError, ValueError):
        return None
    bekleme = o_an - dt.datetime.fromtimestamp(an, dt.timezone.utc)
    return max(bekleme.total_seconds(), 0.0)


def retry_after(headers: Mapping[str, str], now: float | None = None) -> float | None:
    an = now if now is not None else dt.datetime.now(dt.timezone.utc).timestamp()
    if (ms := number_in(headers.get("retry-after-ms"))) is not None:
        return as_wait(ms / 1000, an)
    if (saniye := number_in(headers.get("retry-after"))) is not None:
        return as_wait(saniye, an)
    bekleme = tarihten(headers.get("retry-after"), an)
    return reset_wait(headers, an) if bekleme is None else bekleme
