"""The waits and the limits that an API names in its answer, as numbers.

Pure functions of the headers, or of an error's body, and of the time. Header names are in lower case. Not
here: what is done about them (retry.py, limits/).
"""

from __future__ import annotations

import math
import re
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime

_UNIX_TIME = 1e9  # seconds: as a wait, thirty years; as a time, 2001
_DEEPEST = 8  # levels of an error's body that are read
_LONGEST_JITTER = 0.25  # seconds on top of a wait, and at most a tenth of it

Random = Callable[[], float]  # a number from 0 up to 1


def retry_after(headers: Mapping[str, str], now: float | None = None) -> float | None:
    """The wait that the API asks for, in seconds; None if it asks for none.

    The first of these that can be read counts:

    1. `retry-after-ms`: `milliseconds_wait`. It is the finer one: Retry-After is rounded up to
       seconds.
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
    return wait


def milliseconds_wait(text: str | None, now: float | None = None) -> float | None:
    """Seconds of a wait in milliseconds; None where the text is no number that can be one."""
    number = number_in(text)
    return None if number is None else as_wait(number / 1000, now)


def seconds_wait(text: str | None, now: float | None = None) -> float | None:
    """Seconds of a wait in seconds; None where the text is no number that can be one."""
    number = number_in(text)
    return None if number is None else as_wait(number, now)


def number_in(text: str | None) -> float | None:
    """The number that the text is, whole or not; None for any other text, and for one that cannot be a wait
    or a count: negative, infinite, not a number."""
    try:
        number = float(text) if text is not None else math.nan
    except ValueError:
        return None
    return number if math.isfinite(number) and number >= 0 else None


def as_wait(seconds: float, now: float | None) -> float:
    """`seconds`, unless it can only be a unix time, in seconds or in milliseconds: then the wait until it, 0
    where it has passed."""
    if seconds < _UNIX_TIME:
        return seconds
    return max(0.0, (seconds / 1000 if seconds >= 1000 * _UNIX_TIME else seconds) - _moment(now))


def date_wait(text: str | None, now: float | None = None) -> float | None:
    """The wait until the date that the text is, 0 where it has passed; None where the text is no date."""
    try:
        return max(0.0, parsedate_to_datetime(text or "").timestamp() - _moment(now))
    except (ValueError, OverflowError):
        return None


def _moment(now: float | None) -> float:
    """`now`, or this moment, in seconds since the epoch."""
    return time.time() if now is None else now


def with_jitter(wait: float, random: Random) -> float:
    """`wait`, or a little longer, so that not all who were given the same moment come at once."""
    return wait + random() * min(_LONGEST_JITTER, wait / 10)


def reset_wait(headers: Mapping[str, str], now: float | None = None) -> float | None:
    """Seconds until every limit that is used up is reset, by the `x-ratelimit-reset-*` headers; None if none
    is. A limit whose `x-ratelimit-remaining-*` is missing counts as used up."""
    waits = [
        duration(value, now)
        for name, value in headers.items()
        if name.startswith("x-ratelimit-reset")
        and number_in(headers.get(name.replace("reset", "remaining"), "0")) == 0
    ]
    return max((wait for wait in waits if wait is not None), default=None)


def retry_after_in_body(body: object, now: float | None = None) -> float | None:
    """The wait that an error's body names, in seconds; None if there is none. `body` is what its JSON says,
    or its text.

    It stands in Gemini's RetryInfo, in a field `retry_after`, among headers that OpenRouter repeats from the
    provider behind it, or in words such as 'Please try again in 20s'.

    Source of the first: https://cloud.google.com/apis/design/errors#error_payloads
    """
    texts = list(_texts(body))
    fields = {name.lower().replace("_", "-"): text for name, text in texts}
    if (seconds := duration(fields.get("retrydelay"))) is not None:
        return seconds
    if (seconds := retry_after(fields, now)) is not None:
        return seconds
    for _, text in texts:
        if (words := _WAIT_IN_WORDS.search(text)) is not None:
            return sum(float(number) * _UNITS[unit.lower()] for number, unit in _TIME.findall(words[0]))
    return None


def should_retry(headers: Mapping[str, str]) -> bool | None:
    """Whether the API wants the request to be tried again (`x-should-retry`); None if it does not say."""
    return {"true": True, "false": False}.get(headers.get("x-should-retry", "").lower())


@dataclass(frozen=True, slots=True)
class RateLimit:
    """`limit` units a minute, `remaining` of them now, all of them again in `reset` seconds."""

    limit: float
    remaining: float | None
    reset: float | None


def rate_limit(headers: Mapping[str, str], kind: str, now: float | None = None) -> RateLimit | None:
    """The limit of `requests` or of `tokens` (`kind`), from the `x-ratelimit-*` headers; None without one.

    Source: https://platform.openai.com/docs/guides/rate-limits#rate-limits-in-headers
    """
    limit = number_in(headers.get(f"x-ratelimit-limit-{kind}"))
    if not limit:
        return None
    return RateLimit(
        limit=limit,
        remaining=number_in(headers.get(f"x-ratelimit-remaining-{kind}")),
        reset=duration(headers.get(f"x-ratelimit-reset-{kind}"), now),
    )


_DURATION = re.compile(r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:([\d.]+)s)?(?:([\d.]+)ms)?")
_SECONDS = (86400.0, 3600.0, 60.0, 1.0, 0.001)


def duration(text: str | None, now: float | None = None) -> float | None:
    """Seconds of `6m0s`, `1h2m3.5s`, `20ms`, a plain number of seconds, or a unix time, which is compared
    with `now`; None if it is none of them."""
    if not text:
        return None
    if (seconds := seconds_wait(text, now)) is not None:
        return seconds
    match = _DURATION.fullmatch(text.strip())
    if match is None:
        return None
    numbers = [number_in(part or "0") for part in match.groups()]
    if None in numbers:
        return None
    return sum(number * unit for number, unit in zip(numbers, _SECONDS, strict=True) if number)


_TIME = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|milli|s|m|h|d)[a-z]*", re.I)
_WAIT_IN_WORDS = re.compile(
    rf"\b(?:(?:try|retry)(?:\s+\w+){{0,3}}?\s+(?:in|after)|wait(?:\s+for)?)\s+(?:{_TIME.pattern}\s*)+", re.I
)
_UNITS = {"ms": 0.001, "milli": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


def _texts(body: object, name: str = "", depth: int = 0) -> Iterator[tuple[str, str]]:
    """The texts and the numbers in the body, each with the name that it has there."""
    if isinstance(body, str | int | float):
        yield name, str(body)
    elif depth < _DEEPEST and isinstance(body, Mapping):
        for key, value in body.items():
            yield from _texts(value, str(key), depth + 1)
    elif depth < _DEEPEST and isinstance(body, list):
        for value in body:
            yield from _texts(value, name, depth + 1)
