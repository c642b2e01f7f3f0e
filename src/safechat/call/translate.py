"""What goes wrong on the way to the API, as a ChatError that holds nothing of the SDK.

The table names the exceptions of the SDK, of httpx2 below it, and of a client that is not the SDK's.
Not here: which class an HTTP status and an error body mean (errors.py).
"""

from __future__ import annotations

import http.client
import json
import re
from collections.abc import Mapping

import httpx2
import openai

from safechat.errors import (
    AuthenticationFailed,
    ChatError,
    ConnectionFailed,
    MalformedReply,
    RequestTimedOut,
    classify,
)
from safechat.headers import retry_after, should_retry
from safechat.messages import ChatRequest
from safechat.redact import redact

# For exceptions without an HTTP status. The first that fits counts.
_EXCEPTIONS: tuple[tuple[type[Exception], type[ChatError]], ...] = (
    (openai.APIResponseValidationError, MalformedReply),
    (openai.APITimeoutError, RequestTimedOut),
    (httpx2.TimeoutException, RequestTimedOut),
    (TimeoutError, RequestTimedOut),
    (openai.APIConnectionError, ConnectionFailed),
    (httpx2.TransportError, ConnectionFailed),
    (OSError, ConnectionFailed),
    (http.client.HTTPException, ConnectionFailed),
    (UnicodeDecodeError, MalformedReply),
    (json.JSONDecodeError, MalformedReply),
)

_NO_KEY = re.compile(r"authentication method|missing credentials", re.I)
_RATE_LIMIT = re.compile(r"rate_?limit|insufficient_quota", re.I)


def translate(exception: Exception, request: ChatRequest) -> ChatError:
    """The ChatError that says what `exception` means, with every key taken out of its text.

    An AssertionError is raised as it is.
    """
    model = request.model
    if isinstance(exception, AssertionError):
        raise exception  # a test's own words, such as respx's for a request that is not mocked
    if isinstance(exception, ChatError):
        exception.args = (redact(str(exception)),)
        return exception
    if isinstance(exception, openai.APIStatusError):
        headers = {name.lower(): value for name, value in exception.response.headers.items()}
        return _api_error(exception, exception.status_code, headers, request)
    text = redact(_text(exception))
    if isinstance(exception, TypeError | openai.OpenAIError) and _NO_KEY.search(text):
        return AuthenticationFailed(f"{model}: the client has no API key", model=model)
    if "Illegal header value" in text:
        return AuthenticationFailed(
            f"{model}: the client's API key holds a character that no header can carry; a line break?",
            model=model,
        )
    if isinstance(exception, RuntimeError) and "loop" in text:
        return ConnectionFailed(
            f"{model}: {text}. The client's connections belong to another event loop: "
            "give the wrapper an http_client of its own, or none",
            model=model,
        )
    for known, error in _EXCEPTIONS:
        if isinstance(exception, known):
            if error is RequestTimedOut:
                text = f"no whole answer within {request.timeout:g} s"
            return error(f"{model}: {text}", model=model)
    if isinstance(exception, openai.APIError):  # an error event in a stream: it has no status
        words = f"{exception.code} {exception.type}"
        status = 429 if _RATE_LIMIT.search(words) else 400 if "invalid_request" in words else 500
        return _api_error(exception, status, {}, request)
    return ChatError(f"{model}: unexpected {text}", model=model)


def _api_error(
    exception: openai.APIError,
    status: int,
    headers: Mapping[str, str],
    request: ChatRequest,
) -> ChatError:
    """The error that an error body describes."""
    reason = exception.body.get("message") if isinstance(exception.body, dict) else exception.body
    reason = " ".join(str(reason or "no reason given").split())
    code, kind, param = (
        redact(word) if isinstance(word, str) else None
        for word in (exception.code, exception.type, exception.param)
    )
    error = classify(status, code=code, type=kind, message=reason)
    word = code or kind
    return error(
        redact(f"{request.model}: {status}{f' {word}' if word else ''}: {reason[:500]}"),
        status=status,
        code=code,
        param=param,
        request_id=headers.get("x-request-id"),
        retry_after=retry_after(headers),
        model=request.model,
        retryable=should_retry(headers),
    )


def _text(exception: BaseException) -> str:
    """The class and the text of an exception, with the cause that the SDK hides behind 'Connection error.'"""
    text = f"{type(exception).__name__}: {exception}".rstrip(": ")
    cause = exception.__cause__
    return f"{text} ({type(cause).__name__}: {cause})" if cause is not None else text
