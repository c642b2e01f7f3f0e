"""What the API says in its headers."""

from __future__ import annotations

import time
from collections.abc import Callable
from email.utils import formatdate
from functools import partial

import pytest

from safechat.headers import RateLimit, duration, rate_limit, retry_after, retry_after_in_body, should_retry

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
        ({"retry-after": f"{NOW + 20:.0f}"}, 20.0),
        ({"retry-after": f"{1000 * (NOW + 20):.0f}"}, 20.0),
        ({"retry-after-ms": f"{1000 * (NOW + 20):.0f}"}, 20.0),
        ({"retry-after": f"{NOW - 20:.0f}"}, 0.0),
        ({"retry-after": "86400"}, 86400.0),
        ({"retry-after": "Thu, 01 Jan 99999999999999999999 00:00:00 GMT"}, None),
    ],
)
def test_retry_after_in_all_its_forms(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after(headers, NOW) == seconds


@pytest.mark.parametrize("written", [partial(formatdate, usegmt=True), "{:.0f}".format], ids=["date", "unix"])
def test_without_a_moment_it_is_now(monkeypatch: pytest.MonkeyPatch, written: Callable[[float], str]) -> None:
    monkeypatch.setattr(time, "time", lambda: NOW)
    assert retry_after({"retry-after": written(NOW + 36_000)}) == 36_000


def used_up(kind: str, remaining: str, reset: str) -> dict[str, str]:
    return {f"x-ratelimit-remaining{kind}": remaining, f"x-ratelimit-reset{kind}": reset}


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        (used_up("-requests", "0", "20s"), 20.0),
        (used_up("-tokens", "0", "1m2s"), 62.0),
        (used_up("", "0", f"{1000 * (NOW + 7):.0f}"), 7.0),
        ({**used_up("-requests", "0", "2s"), **used_up("-tokens", "0", "30s")}, 30.0),
        ({**used_up("-requests", "0", "2s"), **used_up("-tokens", "150", "30s")}, 2.0),
        (used_up("-requests", "3", "20s"), None),
        (used_up("-requests-day", "0", "33011.38"), 33011.38),
        ({"x-ratelimit-reset-requests": "20s"}, 20.0),
        ({"x-ratelimit-reset": f"{NOW + 20:.0f}"}, 20.0),
        ({**used_up("-requests", "3", "1m0s"), "x-ratelimit-reset-tokens": "20s"}, 20.0),
        (used_up("-requests", "0", "soon"), None),
        ({**used_up("-requests", "0", "20s"), "retry-after": "3"}, 3.0),
        ({**used_up("-requests", "0", "20s"), "retry-after": "soon"}, 20.0),
    ],
)
def test_without_a_retry_after_the_reset_of_a_limit_that_is_used_up_is_the_wait(
    headers: dict[str, str], seconds: float | None
) -> None:
    assert retry_after(headers, NOW) == seconds


GEMINI = {
    "code": 429,
    "message": "You exceeded your current quota. Please retry in 38.5s.",
    "status": "RESOURCE_EXHAUSTED",
    "details": [
        {"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": [{"quotaValue": "15"}]},
        {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "38s"},
    ],
}


OPENROUTER = {
    "error": {
        "message": "Rate limit exceeded: free-models-per-min",
        "code": 429,
        "metadata": {
            "headers": {
                "X-RateLimit-Limit": "20",
                "X-RateLimit-Remaining": "0",
                "X-RateLimit-Reset": f"{1000 * (NOW + 20):.0f}",
            }
        },
    }
}


@pytest.mark.parametrize(
    ("body", "seconds"),
    [
        (GEMINI, 38.0),
        ([{"error": GEMINI}], 38.0),
        ({"message": "Rate limit reached for m: Limit 3, Used 3. Please try again in 20s. Visit …"}, 20.0),
        ("Please try again in 6m0s.", 360.0),
        ("Please try again in 1.242s. See", 1.242),
        ("try again in 20ms.", 0.02),
        ("Please retry after 6 seconds. To increase", 6.0),
        ("TRY AGAIN IN 2 MINUTES and 5 seconds", 120.0),
        ("try again in 1 hour 30 min", 5400.0),
        ("retry after 250 milliseconds", 0.25),
        ("Please wait 10 hours 58 minutes before trying again.", 39480.0),
        ("Rate limit of 50 per 86400s exceeded. Please wait 20 seconds before retrying.", 20.0),
        ("Please wait for 20 sec and send it again", 20.0),
        ("Retry your request after 20 seconds", 20.0),
        ({"detail": "Slow down", "retry_after": 20}, 20.0),
        ({"error": {"retryAfterMs": 250}, "retry_after_ms": "250"}, 0.25),
        (OPENROUTER, 20.0),
        ("Please wait a moment", None),
        ("Please try again later.", None),
        ("Please retry in a moment", None),
        ({"error": {"message": None, "code": 429}}, None),
        (None, None),
        ("", None),
        ({"retryDelay": "soon"}, None),
    ],
)
def test_the_wait_that_a_body_names(body: object, seconds: float | None) -> None:
    assert retry_after_in_body(body, NOW) == (pytest.approx(seconds) if seconds is not None else None)


def test_a_body_that_nests_without_end_names_no_wait() -> None:
    body: list[object] = ["try again in 5s"]
    for _ in range(10_000):
        body = [body]
    assert retry_after_in_body(body) is None


@pytest.mark.parametrize(
    ("value", "expected"), [("true", True), ("FALSE", False), ("", None), ("maybe", None)]
)
def test_should_retry(value: str, expected: bool | None) -> None:
    assert should_retry({"x-should-retry": value}) is expected


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


def test_a_reset_that_is_a_unix_time_is_compared_with_now() -> None:
    headers = {"x-ratelimit-limit-tokens": "600", "x-ratelimit-reset-tokens": f"{NOW + 42:.0f}"}
    assert rate_limit(headers, "tokens", NOW) == RateLimit(600, None, 42.0)
