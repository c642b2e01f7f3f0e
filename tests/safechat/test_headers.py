"""What the API says in its headers."""

from __future__ import annotations

from email.utils import formatdate

import pytest

from safechat.headers import RateLimit, duration, rate_limit, retry_after, should_retry

NOW = 1_800_000_000.0


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "2"}, 2.0),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after": "0"}, 0.0),
        ({"retry-after-ms": "250"}, 0.25),
        ({"retry-after-ms": "250", "retry-after": "1"}, 0.25),
        ({"retry-after-ms": "soon", "retry-after": "1"}, 1.0),
        ({"retry-after": formatdate(NOW + 30, usegmt=True)}, 30.0),
        ({"retry-after": formatdate(NOW - 30, usegmt=True)}, 0.0),
        ({"retry-after": "birazdan"}, None),
        ({"retry-after": "-5"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": ""}, None),
    ],
)
def test_retry_after_in_its_three_forms(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after(headers, NOW) == seconds


@pytest.mark.parametrize(("value", "said"), [("true", True), ("FALSE", False), ("", None), ("maybe", None)])
def test_should_retry(value: str, said: bool | None) -> None:
    assert should_retry({"x-should-retry": value}) is said


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("6m0s", 360),
        ("20ms", 0.02),
        ("1s", 1),
        ("1h2m3.5s", 3723.5),
        ("1d", 86400),
        ("2m59.56s", 179.56),
        ("7.66s", 7.66),
        ("12", 12),
        ("", None),
        (None, None),
        ("yarın", None),
        ("1.2.3s", None),
    ],
)
def test_durations(text: str | None, seconds: float | None) -> None:
    assert duration(text) == (pytest.approx(seconds) if seconds is not None else None)


def test_rate_limits_are_read_by_kind() -> None:
    headers = {
        "x-ratelimit-limit-requests": "600",
        "x-ratelimit-remaining-requests": "12",
        "x-ratelimit-reset-requests": "58.8s",
    }
    assert rate_limit(headers, "requests") == RateLimit(600, 12, 58.8)
    assert rate_limit(headers, "tokens") is None
    assert rate_limit({"x-ratelimit-limit-tokens": "0"}, "tokens") is None
