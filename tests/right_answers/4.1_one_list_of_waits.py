#| odev 4.1 headers.retry_after
def retry_after(headers, now=None):
    now = now if now is not None else time.time()

    def candidates():
        ms = number_in(headers.get("retry-after-ms", "?"))
        yield None if ms is None else as_wait(ms * 0.001, now)
        s = number_in(headers.get("retry-after", "?"))
        yield None if s is None else as_wait(s, now)
        yield date_wait(headers.get("retry-after"), now)
        yield reset_wait(headers, now)

    return next((wait for wait in candidates() if wait is not None), None)
