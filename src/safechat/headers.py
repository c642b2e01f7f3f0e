"""What an API says in the headers of its answer, as numbers.

Pure functions of the headers and the time. Header names are matched in lower case.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime


def retry_after(headers: Mapping[str, str], now: float | None = None) -> float | None:
    """The wait that the API asks for, in seconds; None if it asks for none.

    `retry-after-ms` is preferred: it is the finer one, and Retry-After is
    rounded up to seconds. Retry-After is a number of seconds or a date (RFC 9110,
    section 10.2.3), which is compared with `now` (seconds since the epoch).
    A date that has passed is a wait of 0. What cannot be read is no wait.
    """
    milliseconds = _number(headers.get("retry-after-ms"))
    if milliseconds is not None:
        return milliseconds / 1000
    value = headers.get("retry-after")
    seconds = _number(value)
    if seconds is not None or value is None:
        return seconds
    try:
        date = parsedate_to_datetime(value)
    except ValueError:
        return None
    return max(0.0, date.timestamp() - (time.time() if now is None else now))


def should_retry(headers: Mapping[str, str]) -> bool | None:
    """What the API itself says about trying again (`x-should-retry`); None if nothing."""
    return {"true": True, "false": False}.get(headers.get("x-should-retry", "").lower())


def _number(text: str | None) -> float | None:
    try:
        number = float(text) if text is not None else math.nan
    except ValueError:
        return None
    return number if math.isfinite(number) and number >= 0 else None
