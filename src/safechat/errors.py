"""Every way in which a call can fail, as one tree of exceptions.

    ChatError
    ├── RateLimited            429: too many requests or tokens
    ├── QuotaExhausted         429 insufficient_quota, 402: no credit left
    ├── ServerError            5xx, 408, 409
    ├── ConnectionFailed       no answer: refused, reset, cut, DNS, TLS
    ├── RequestTimedOut        no whole answer within `timeout`
    ├── ModelUnavailable       404 model_not_found, a model that was shut down
    ├── ContextTooLong         400 context_length_exceeded
    ├── ContentFiltered        400 content_filter, finish_reason content_filter
    ├── RequestRejected        any other 4xx
    ├── AuthenticationFailed   401
    ├── PermissionDenied       403
    ├── BadReply               a 200 that is no answer
    │   ├── MalformedReply     not JSON, or not a chat completion
    │   ├── EmptyReply         no text and no tool call
    │   ├── TruncatedReply     cut at the token limit, or a stream that broke off
    │   └── RefusedReply       the model declined
    ├── DeadlineExceeded       `deadline` passed: retries and waiting included
    ├── CircuitOpen            the model failed too often just now
    ├── QueueFull              no room in a ChatQueue
    ├── RequestTooLarge        larger than the limit could ever let through
    └── KeyUnavailable         no key to call with
        ├── VaultUnreachable
        ├── VaultSealed
        ├── VaultAuthFailed
        └── SecretNotFound

What an API says is put into a class by two tables and a few texts, at the end
of this file. An error holds plain values only: never an SDK exception, whose
request carries the whole Authorization header. So it pickles, and it is safe to
log. Not here: waiting and trying again (retry.py), other models (fallback.py).
"""

from __future__ import annotations

import re
from typing import ClassVar

from safechat.usage import Usage

NO_FIT = "schema_mismatch"  # the `code` of such an error


class ChatError(Exception):
    """A call failed. Raised itself only for a failure that no class below names.

    `retryable` says whether the same model may be tried again, `falls_back`
    whether another model may; both come from the class, and an `x-should-retry`
    header of the API overrides the first for one error.

    `status`, `code`, `param` and `request_id` are the API's own words, where it
    gave any. `retry_after` is the wait it asked for, in seconds. `attempts`
    counts the requests that were made for the call, and `failures` are the
    errors of those before this one, in their order. `sent` is False where no
    request reached the API, and `usage` is what the answer said that it cost.
    """

    kind: ClassVar[str] = "error"
    retryable: bool = False
    falls_back: bool = False
    sent: bool = True

    def __init__(
        self,
        message: str = "",
        *,
        status: int | None = None,
        code: str | None = None,
        param: str | None = None,
        request_id: str | None = None,
        retry_after: float | None = None,
        model: str | None = None,
        attempts: int = 1,
        retryable: bool | None = None,
        falls_back: bool | None = None,
        sent: bool | None = None,
        usage: Usage | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.param = param
        self.request_id = request_id
        self.retry_after = retry_after
        self.model = model
        self.attempts = attempts
        self.failures: tuple[ChatError, ...] = ()
        self.usage = usage
        if retryable is not None:
            self.retryable = retryable
        if falls_back is not None:
            self.falls_back = falls_back
        if sent is not None:
            self.sent = sent


class RateLimited(ChatError):
    """429: the API asks for fewer requests or tokens. `retry_after` says when, if it said."""

    kind = "rate_limited"
    retryable = True
    falls_back = True


class QuotaExhausted(ChatError):
    """The account has no credit left. Also a 429, but one that waiting does not mend."""

    kind = "quota_exhausted"


class ServerError(ChatError):
    """The API failed on its side: 5xx, 408 or 409."""

    kind = "server_error"
    retryable = True
    falls_back = True


class ConnectionFailed(ChatError):
    """No answer came: refused, reset, cut half-way, no such host, a bad certificate."""

    kind = "connection_failed"
    retryable = True
    falls_back = True


class RequestTimedOut(ChatError):
    """No whole answer came within `timeout` seconds."""

    kind = "timed_out"
    retryable = True
    falls_back = True


class ModelUnavailable(ChatError):
    """The API does not serve this model: unknown, not allowed, or shut down."""

    kind = "model_unavailable"
    falls_back = True


class ContextTooLong(ChatError):
    """The messages do not fit into this model's context window."""

    kind = "context_too_long"
    falls_back = True


class ContentFiltered(ChatError):
    """A content policy stopped the request or the answer."""

    kind = "content_filtered"


class RequestRejected(ChatError):
    """The API calls the request wrong. It would be wrong again."""

    kind = "request_rejected"


class AuthenticationFailed(ChatError):
    """401: the API does not take this key."""

    kind = "authentication_failed"


class PermissionDenied(ChatError):
    """403: the key is good, but not for this."""

    kind = "permission_denied"


class BadReply(ChatError):
    """The API said 200, and what came is not an answer."""

    kind = "bad_reply"


class MalformedReply(BadReply):
    """The body is not JSON, or is not a chat completion: a proxy's page, a cut body, an error object."""

    kind = "malformed_reply"
    retryable = True
    falls_back = True


class EmptyReply(BadReply):
    """A completion with neither text nor a tool call."""

    kind = "empty_reply"
    retryable = True
    falls_back = True


class TruncatedReply(BadReply):
    """The answer was cut. `partial_text` is what there is of it."""

    kind = "truncated_reply"
    falls_back = True

    def __init__(
        self,
        message: str = "",
        *,
        partial_text: str = "",
        code: str | None = None,
        request_id: str | None = None,
        model: str | None = None,
        usage: Usage | None = None,
    ) -> None:
        super().__init__(message, status=200, code=code, request_id=request_id, model=model, usage=usage)
        self.partial_text = partial_text


class RefusedReply(BadReply):
    """The model declined to answer; the message holds its words."""

    kind = "refused_reply"


class DeadlineExceeded(ChatError):
    """The whole call, with its retries and its waiting, did not finish within `deadline` seconds."""

    kind = "deadline_exceeded"


class CircuitOpen(ChatError):
    """This model failed too often just now and is left alone for a while."""

    kind = "circuit_open"
    sent = False
    falls_back = True


class QueueFull(ChatError):
    """A ChatQueue holds as many calls as it may."""

    kind = "queue_full"
    sent = False


class RequestTooLarge(ChatError):
    """The request needs more than the rate limit could ever let through."""

    kind = "request_too_large"
    sent = False


class KeyUnavailable(ChatError):
    """There is no API key to call with."""

    kind = "key_unavailable"
    sent = False


class VaultUnreachable(KeyUnavailable):
    """Vault does not answer."""

    kind = "vault_unreachable"


class VaultSealed(KeyUnavailable):
    """Vault answers, and is sealed."""

    kind = "vault_sealed"


class VaultAuthFailed(KeyUnavailable):
    """Vault does not let this role or token in, or not at this path."""

    kind = "vault_auth_failed"


class SecretNotFound(KeyUnavailable):
    """Vault has no such path, or no such field in it."""

    kind = "secret_not_found"


# OpenAI's words: https://platform.openai.com/docs/guides/error-codes; Azure's where they differ.
_BY_CODE: dict[str, type[ChatError]] = {
    "insufficient_quota": QuotaExhausted,
    "billing_hard_limit_reached": QuotaExhausted,
    "billing_not_active": QuotaExhausted,
    "model_not_found": ModelUnavailable,
    "model_deprecated": ModelUnavailable,
    "deploymentnotfound": ModelUnavailable,
    "context_length_exceeded": ContextTooLong,
    "content_filter": ContentFiltered,
    "content_policy_violation": ContentFiltered,
}

_BY_STATUS: dict[int, type[ChatError]] = {
    401: AuthenticationFailed,
    402: QuotaExhausted,
    403: PermissionDenied,
    408: ServerError,
    409: ServerError,
    410: ModelUnavailable,
    429: RateLimited,
}

# OpenAI-compatible servers that give no code: they are known by what they write.
_BY_TEXT: tuple[tuple[int, re.Pattern[str], type[ChatError]], ...] = (
    (400, re.compile(r"maximum context length|context window|prompt is too long", re.I), ContextTooLong),
    (404, re.compile(r"\b(model|deployment)\b", re.I), ModelUnavailable),
)


def classify(
    status: int, *, code: str | None = None, type: str | None = None, message: str = ""
) -> type[ChatError]:
    """The class of the error that the API answered with.

    `code` and `type` are those of the error body; a code says more than a status.
    """
    for word in (code, type):
        if word and 400 <= status < 500 and (named := _BY_CODE.get(word.lower())):
            return named
    if by_status := _BY_STATUS.get(status):
        return by_status
    for known_status, pattern, by_text in _BY_TEXT:
        if status == known_status and pattern.search(message):
            return by_text
    return ServerError if status >= 500 else RequestRejected
