#| odev 4.1 headers.retry_after
# hint: unix zamanı
def retry_after(headers: Mapping[str, str], now: float | None = None) -> float | None:
    """The wait that the API asks for, in seconds; None if it asks for none.

    The first of these that can be read counts:

    1. `retry-after-ms`, a number of milliseconds. It is the finer one: Retry-After is rounded up to seconds.
    2. `retry-after`, a number of seconds.
    3. `retry-after`, a date (RFC 9110, section 10.2.3): `date_wait`.
    4. What `reset_wait` finds in the other headers.

    `number_in` reads a number, and `as_wait` makes a wait of it. `now` is in seconds since the epoch;
    without it, it is this moment.
    """
    now = time.time() if now is None else now
    milliseconds = number_in(headers.get("retry-after-ms"))
    if milliseconds is not None:
        return milliseconds / 1000
    value = headers.get("retry-after")
    seconds = number_in(value)
    if seconds is not None:
        return as_wait(seconds, now)
    wait = date_wait(value, now)
    return reset_wait(headers, now) if wait is None else wait
