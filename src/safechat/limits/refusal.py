"""Why a call is refused before it is sent: it could never go, or not in time.

Pure functions that make the error. Not here: what the API itself refuses (errors.py).
"""

from __future__ import annotations

from safechat.errors import DeadlineExceeded, RateLimited, RequestTooLarge


def too_large(model: str, tokens: int, per_minute: float) -> RequestTooLarge:
    """The request needs more tokens than a minute allows, however its text is counted."""
    return RequestTooLarge(
        f"{model}: the request needs at least {tokens} tokens and the limit is "
        f"{per_minute:g} a minute: shorten it, or lower max_completion_tokens",
        model=model,
        attempts=0,
        falls_back=True,
    )


def too_late(model: str, wait: float, left: float) -> DeadlineExceeded:
    """The limits would have the call wait `wait` seconds, and its deadline is in `left` seconds."""
    return DeadlineExceeded(
        f"{model}: the rate limit would have the call wait {wait:.1f} s, "
        f"and its deadline is in {max(left, 0):.1f} s",
        retry_after=wait,
        model=model,
        attempts=0,
        sent=False,
        falls_back=True,  # another model has its own limits
    )


def paused(model: str, seconds: float) -> RateLimited:
    """The API has refused somebody, and everyone waits longer than this call can."""
    return RateLimited(
        f"{model}: the API has all calls wait {seconds:.1f} s more, past this call's deadline",
        status=429,
        retry_after=seconds,
        model=model,
        attempts=0,
        sent=False,
    )
