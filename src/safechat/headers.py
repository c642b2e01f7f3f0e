"""The waits and the limits that an API names in the headers of its answer, as numbers.

Pure functions of the headers and the time. Header names are in lower case. Not here: what is done about
them (retry.py, limits/).
"""

from __future__ import annotations

import math
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
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
    """Whether the API wants the request to be tried again (`x-should-retry`); None if it does not say."""
    return {"true": True, "false": False}.get(headers.get("x-should-retry", "").lower())


@dataclass(frozen=True, slots=True)
class RateLimit:
    """`limit` units a minute, `remaining` of them now, all of them again in `reset` seconds."""

    limit: float
    remaining: float | None
    reset: float | None


def rate_limit(headers: Mapping[str, str], kind: str) -> RateLimit | None:
    """The limit of `requests` or of `tokens` (`kind`), from the `x-ratelimit-*` headers; None without one.

    Source: https://platform.openai.com/docs/guides/rate-limits#rate-limits-in-headers
    """
    limit = _number(headers.get(f"x-ratelimit-limit-{kind}"))
    if not limit:
        return None
    return RateLimit(
        limit=limit,
        remaining=_number(headers.get(f"x-ratelimit-remaining-{kind}")),
        reset=duration(headers.get(f"x-ratelimit-reset-{kind}")),
    )


_DURATION = re.compile(r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:([\d.]+)s)?(?:([\d.]+)ms)?")
_UNITS = (86400.0, 3600.0, 60.0, 1.0, 0.001)


def duration(text: str | None) -> float | None:
    """Seconds of `6m0s`, `1h2m3.5s`, `20ms` or a plain number of seconds; None if it is none of them."""
    if not text:
        return None
    if (seconds := _number(text)) is not None:
        return seconds
    match = _DURATION.fullmatch(text.strip())
    if match is None:
        return None
    numbers = [_number(part or "0") for part in match.groups()]
    if None in numbers:
        return None
    return sum(number * unit for number, unit in zip(numbers, _UNITS, strict=True) if number)


def _number(text: str | None) -> float | None:
    try:
        number = float(text) if text is not None else math.nan
    except ValueError:
        return None
    return number if math.isfinite(number) and number >= 0 else None
