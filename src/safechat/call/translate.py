"""What goes wrong on the way to the API, as a ChatError that holds nothing of the SDK.

The table names the exceptions of the SDK, of httpx2 below it, and of a client that is not the SDK's.
Not here: reading an error body (error_body.py), which class a status and its words mean (errors.py).
"""

from __future__ import annotations

import ast
import gzip
import http.client
import json
import re
import socket
import ssl
import traceback
import zlib
from collections.abc import Iterator, Mapping

import httpx2
import openai
from openai.lib import azure

from safechat.call.error_body import api_error, error_without_status
from safechat.errors import (
    AuthenticationFailed,
    ChatError,
    ConnectionFailed,
    KeyUnavailable,
    MalformedReply,
    RequestRejected,
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

# aiohttp's exceptions, by the name of the class or of its nearest base here: they may be what stands behind
# one of httpx2, whose transport over aiohttp calls most of them a ConnectTimeout. The bool is `sent`.
# By name, for aiohttp need not be installed: docs.aiohttp.org, 'Hierarchy of exceptions'.
_AIOHTTP: dict[str, tuple[type[ChatError], bool]] = {
    "ConnectionTimeoutError": (RequestTimedOut, False),
    "ServerTimeoutError": (RequestTimedOut, True),
    "ClientConnectorError": (ConnectionFailed, False),
    "ClientHttpProxyError": (ConnectionFailed, False),
    "ClientError": (ConnectionFailed, True),
}
# The body came, and could not be unpacked.
_CORRUPT = (httpx2.DecodingError, zlib.error, gzip.BadGzipFile)

# What aiohttp, h11 and http.client show of an answer that they cannot read.
_BYTES = re.compile(r"""\bb\\?(['"]).*\1""", re.DOTALL)

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
    if (value := _unsendable_header(exception)) is not None:
        return _header_error(value or _broken_header(request), model)
    if _comes_from_a_token_provider(exception):
        return KeyUnavailable(f"{model}: the client's token provider failed: {text}", model=model)
    if "loop" in text and any(isinstance(one, RuntimeError) for one in (exception, exception.__cause__)):
        return ConnectionFailed(
            f"{model}: {text}. The client's connections belong to another event loop: "
            "give the wrapper its own http_client, or none",
            model=model,
            retryable=False,
        )
    if any(isinstance(cause, _CORRUPT) for cause in _causes(exception)):
        return MalformedReply(f"{model}: the body of the answer cannot be unpacked: {text}", model=model)
    if (of_aiohttp := _of_aiohttp(exception)) is not None:
        cause, error, sent = of_aiohttp
        text = redact(f"Connection error. ({type(cause).__name__}: {cause})")
        return _unanswered(error, text, request, sent)
    for known, error in _EXCEPTIONS:
        if isinstance(exception, known):
            return _unanswered(error, text, request, not _never_connected(exception))
    if isinstance(exception, openai.APIError):  # an error event in a stream
        return error_without_status(exception.body, model, {})
    return ChatError(f"{model}: unexpected {text}", model=model)


def _unanswered(error: type[ChatError], text: str, request: ChatRequest, sent: bool) -> ChatError:
    if error is RequestTimedOut:
        text = f"no whole answer within {request.timeout:g} s"
    quoted = tuple(match[0] for match in _BYTES.finditer(text))
    return error(f"{request.model}: {text}", model=request.model, sent=sent, quoted=quoted)


def _of_aiohttp(exception: BaseException) -> tuple[BaseException, type[ChatError], bool] | None:
    """The exception of aiohttp behind this one, and what it means: a class, and whether it was sent."""
    for cause in _causes(exception):
        for base in type(cause).__mro__:
            if base.__module__.startswith("aiohttp.") and (row := _AIOHTTP.get(base.__name__)):
                return cause, *row
    return None


def _causes(exception: BaseException) -> Iterator[BaseException]:
    """It, and what it was raised from. The SDK keeps the first cause in `__cause__`, urllib in `reason`."""
    cause: object = exception
    while isinstance(cause, BaseException):
        yield cause
        cause = cause.__cause__ or getattr(cause, "reason", None)


def _never_connected(exception: BaseException) -> bool:
    """Whether it was raised before there was a connection."""
    return any(isinstance(cause, _NEVER_CONNECTED) for cause in _causes(exception))


_HEADER_VALUE = re.compile(r"(?:Illegal|Invalid) header value (b(['\"]).*\2)", re.DOTALL)  # h11, http.client
_IN_HEADERS = re.compile(
    r"detected in headers|Potential header injection"
)  # aiohttp, which does not say what
_BREAK = re.compile(r"[\r\n\0]")  # aiohttp refuses only these
_UNSENDABLE = re.compile(r"[^\t\x20-\x7e]")


def _unsendable_header(exception: BaseException) -> str | None:
    """The value of the header that could not be written; empty where the exception does not hold it."""
    for cause in _causes(exception):
        if isinstance(cause, UnicodeEncodeError) and cause.encoding in ("ascii", "latin-1"):
            return cause.object
        if found := _HEADER_VALUE.search(str(cause)):
            return str(ast.literal_eval(found[1]).decode("latin-1"))
        if isinstance(cause, ValueError) and _IN_HEADERS.search(str(cause)):
            return ""
    return None


def _broken_header(request: ChatRequest) -> str:
    """The caller's header with a line break in it, or an empty text: aiohttp does not say which it was."""
    given = request.params.get("extra_headers")
    headers = [f"{name}: {value}" for name, value in given.items()] if isinstance(given, Mapping) else []
    return next((header for header in headers if _BREAK.search(header)), "")


def _header_error(value: str, model: str) -> ChatError:
    """The API key holds what no header can carry, copied from a formatted page for example, or another
    header does."""
    character = _UNSENDABLE.search(value)
    if not value:
        what = "a line break"
    elif character is None:
        what = "white space or a line break at one of its ends"
    else:
        what = "a line break" if character[0] in "\r\n" else f"the character {character[0]!r}"
    if value and "Bearer " not in value and redact(value) == value:
        error: type[ChatError] = RequestRejected
        whose = "a header of the request"
    else:
        error, whose = AuthenticationFailed, "the client's API key"
    return error(f"{model}: {whose} holds {what}, which no header can carry", model=model, sent=False)


def _comes_from_a_token_provider(exception: BaseException) -> bool:
    """Whether it was raised while an Azure client asked its `azure_ad_token_provider` for a token."""
    return any(
        frame.f_code.co_name == "_get_azure_ad_token" and frame.f_code.co_filename == azure.__file__
        for frame, _ in traceback.walk_tb(exception.__traceback__)
    )


def _text(exception: BaseException) -> str:
    """The class and the text of an exception, with the cause that the SDK hides behind 'Connection error.'"""
    text = f"{type(exception).__name__}: {exception}".rstrip(": ")
    cause = exception.__cause__
    return f"{text} ({type(cause).__name__}: {cause})" if cause is not None else text
