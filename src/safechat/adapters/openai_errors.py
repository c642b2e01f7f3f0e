"""Errors of the wrapper as the openai SDK's own, for programs that were written for the SDK.

Not here: which status means which of our errors (errors.py of the package).
"""

from __future__ import annotations

import httpx2
import openai

from safechat.errors import (
    BadReply,
    ChatError,
    CircuitOpen,
    ConnectionFailed,
    ContentFiltered,
    DeadlineExceeded,
    KeyUnavailable,
    QuotaExhausted,
    RateLimited,
    RefusedReply,
    RequestTimedOut,
    RequestTooLarge,
)
from safechat.messages import ChatReply

# For errors that are not the API's and have no status. The first that fits counts; any other is a 500.
_STATUS: tuple[tuple[type[ChatError], int], ...] = (
    (RateLimited, 429),
    (QuotaExhausted, 429),
    (RequestTooLarge, 413),
    (ContentFiltered, 400),
    (BadReply, 502),
    (CircuitOpen, 503),
    (KeyUnavailable, 503),
)

_CLASSES: dict[int, type[openai.APIStatusError]] = {
    400: openai.BadRequestError,
    401: openai.AuthenticationError,
    403: openai.PermissionDeniedError,
    404: openai.NotFoundError,
    409: openai.ConflictError,
    422: openai.UnprocessableEntityError,
    429: openai.RateLimitError,
}


class RequestRefused(Exception):
    """A request that is wrong, or that the wrapper cannot pass on: a 400. `param` is the field that is."""

    def __init__(self, message: str, param: str | None = None) -> None:
        super().__init__(message)
        self.param = param


def answer_in(error: ChatError | RequestRefused) -> ChatReply | None:
    """The reply that the SDK takes for an answer, and the wrapper does not: filtered, refused, or cut."""
    reply = getattr(error, "reply", None)
    if isinstance(reply, ChatReply) and (
        isinstance(error, ContentFiltered | RefusedReply) or reply.finish_reason == "length"
    ):
        return reply
    return None


def error_body(error: ChatError | RequestRefused) -> dict[str, object]:
    """As it stands in the `error` of the API's body."""
    if isinstance(error, RequestRefused):
        return {"message": str(error), "type": "invalid_request_error", "code": None, "param": error.param}
    return {"message": str(error), "type": error.kind, "code": error.code, "param": error.param}


def sdk_error(error: ChatError | RequestRefused, request: httpx2.Request) -> openai.APIError:
    """The SDK's error for it. Its answer says that trying again is of no use: the wrapper has tried."""
    if isinstance(error, RequestTimedOut | DeadlineExceeded):
        return openai.APITimeoutError(request=request)
    if isinstance(error, ConnectionFailed):
        return openai.APIConnectionError(message=str(error), request=request)
    status = _status(error)
    body = error_body(error)
    headers = {"x-should-retry": "false"}
    if isinstance(error, ChatError):
        if error.request_id:
            headers["x-request-id"] = error.request_id
        if error.retry_after is not None:
            headers["retry-after"] = f"{error.retry_after:g}"
    response = httpx2.Response(status, headers=headers, json={"error": body}, request=request)
    server = openai.InternalServerError if status >= 500 else openai.APIStatusError
    return _CLASSES.get(status, server)(f"Error code: {status} - {error}", response=response, body=body)


def _status(error: ChatError | RequestRefused) -> int:
    if isinstance(error, RequestRefused):
        return 400
    if error.status is not None and error.status >= 400:
        return error.status
    return next((status for known, status in _STATUS if isinstance(error, known)), 500)
