#| odev 4.1 headers.retry_after
# hint: onu döndürdün mü
def retry_after(headers: Mapping[str, str], now: float | None = None) -> float | None:
    """The wait that the API asks for, in seconds; None if it asks for none.

    The first of these that can be read counts:

    1. `retry-after-ms`: `milliseconds_wait`. It is the finer one: Retry-After is rounded up to seconds.
    2. `retry-after` as a number: `seconds_wait`.
    3. `retry-after` as a date (RFC 9110, section 10.2.3): `date_wait`.
    4. The other headers: `reset_wait`.

    `now` is in seconds since the epoch, and for all four; without it, it is this moment.
    """
    value = headers.get("retry-after")
    wait = milliseconds_wait(headers.get("retry-after-ms"), now)
    if wait is None:
        wait = seconds_wait(value, now)
    if wait is None:
        wait = date_wait(value, now)
    if wait is None:
        wait = reset_wait(headers, now)
