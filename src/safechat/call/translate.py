"""What goes wrong on the way to the API, as a ChatError that holds nothing of the SDK.

The table names the exceptions of the SDK, of httpx2 below it, and of a client that is not the SDK's.
Not here: reading an error body (error_body.py), which class a status and its words mean (errors.py).
"""

from __future__ import annotations

import http.client
import json
import re
import socket
import ssl

import httpx2
import openai

from safechat.call.error_body import api_error, implied_status, read_error_body
from safechat.errors import (
    AuthenticationFailed,
    ChatError,
    ConnectionFailed,
    MalformedReply,
    RequestTimedOut,
)
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

# In these cases no connection was made, so no request was sent, and none can cost anything.
_NEVER_CONNECTED = (
    httpx2.ConnectError,
    httpx2.ConnectTimeout,
    httpx2.PoolTimeout,
    httpx2.ProxyError,
    ConnectionRefusedError,
    socket.gaierror,
    ssl.SSLCertVerificationError,
)

_NO_KEY = re.compile(r"authentication method|missing credentials", re.I)


def translate(exception: Exception, request: ChatRequest) -> ChatError:
    """The ChatError that says what `exception` means, with every key taken out of its text.

    An AssertionError is raised as it is.
    """
    model = request.model
    if isinstance(exception, AssertionError):
        raise exception  # a test's own words, such as respx's for a request that is not mocked
    if isinstance(exception, ChatError):
        exception.args = (redact(str(exception)),)
        exception.quoted = tuple(map(redact, exception.quoted))
        return exception
    if isinstance(exception, openai.APIStatusError):
        headers = {name.lower(): value for name, value in exception.response.headers.items()}
        return api_error(exception.body, exception.status_code, model, headers)
    text = redact(_text(exception))
    if isinstance(exception, TypeError | openai.OpenAIError) and _NO_KEY.search(text):
        return AuthenticationFailed(f"{model}: the client has no API key", model=model, sent=False)
    if "Illegal header value" in text:
        return AuthenticationFailed(
            f"{model}: the client's API key holds a character that no header can carry; a line break?",
            model=model,
            sent=False,
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
            return error(f"{model}: {text}", model=model, sent=not _never_connected(exception))
    if isinstance(exception, openai.APIError):  # an error event in a stream: it has no status
        status = implied_status(read_error_body(exception.body)) or 500
        return api_error(exception.body, status, model, {})
    return ChatError(f"{model}: unexpected {text}", model=model)


def _never_connected(exception: BaseException) -> bool:
    """Whether it was raised before there was a connection. The SDK keeps the first cause in `__cause__`,
    urllib in `reason`."""
    cause: object = exception
    while isinstance(cause, BaseException):
        if isinstance(cause, _NEVER_CONNECTED):
            return True
        cause = cause.__cause__ or getattr(cause, "reason", None)
    return False


def _text(exception: BaseException) -> str:
    """The class and the text of an exception, with the cause that the SDK hides behind 'Connection error.'"""
    text = f"{type(exception).__name__}: {exception}".rstrip(": ")
    cause = exception.__cause__
    return f"{text} ({type(cause).__name__}: {cause})" if cause is not None else text
