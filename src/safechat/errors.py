"""Every way in which a call can fail, as one tree of exceptions.

    ChatError
    ├── RateLimited            429: too many requests or tokens
    ├── QuotaExhausted         429 insufficient_quota, 402, and others' words: no credit left
    ├── ServerError            5xx, 408, 409
    ├── ConnectionFailed       no answer: refused, reset, cut, DNS, TLS
    ├── RequestTimedOut        no whole answer within `timeout`
    ├── ModelUnavailable       404 model_not_found, a model that was shut down
    ├── ContextTooLong         400 context_length_exceeded
    ├── ContentFiltered        400 content_filter, finish_reason content_filter
    ├── RequestRejected        any other 4xx
    ├── AuthenticationFailed   401
    ├── PermissionDenied       403
    ├── BadReply               a 200 that is no answer; an answer that the server broke off
    │   ├── MalformedReply     not JSON, or not a chat completion
    │   ├── EmptyReply         no text and no tool call
    │   ├── TruncatedReply     cut at the token limit, or a stream that broke off
    │   └── RefusedReply       the model declined
    ├── DeadlineExceeded       `deadline` passed: retries and waiting included
    ├── CircuitOpen            the model failed too often just now
    ├── QueueFull              no room in a ChatQueue
    ├── RequestTooLarge        larger than the rate limit could ever let through; also a 429 or 413
    ├── BudgetExceeded         it could cost more than the budget has left
    ├── PriceUnknown           there is a budget, and no price for this model
    └── KeyUnavailable         no key to call with
        ├── VaultUnreachable
        ├── VaultSealed
        ├── VaultAuthFailed
        └── SecretNotFound

What an API answers is put into a class by three tables, at the end of this
file. An error holds plain values only: never an SDK exception, whose
request carries the whole Authorization header. So it pickles, and it is safe to
log. Not here: waiting and trying again (retry.py), other models (fallback.py).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import ClassVar

from safechat.usage import Usage

NO_FIT = "schema_mismatch"  # the `code` of an answer that does not fit the caller's schema


class ChatError(Exception):
    """A call failed. Raised itself only for a failure that no class below names.

    `retryable` says whether the same model may be tried again, `falls_back`
    whether another model may; both come from the class, and an `x-should-retry`
    header of the API overrides the first for one error.

    `status`, `code`, `param` and `request_id` are the API's own words, where it
    gave any. `retry_after` is the wait it asked for, in seconds. `attempts`
    counts the requests that were made for the call, and `failures` are the
    errors of those before this one, in their order. `sent` is False where no
    request reached the API. `usage` are the tokens that the answer counted, and
    `partial_text` is the text that had come before the call failed. `quoted` are
    the parts of the message that quote the answer: only a log that wants content has them. `reply` is the
    ChatReply that counts as none (filtered, refused, cut, empty), where one came; a copy is without it.
    """

    kind: ClassVar[str] = "error"
    retryable: bool = False
    falls_back: bool = False
    sent: bool = True
    base_url: str | None = None  # of the API that failed; None for a client that is not the SDK's
    reply: object = None

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
        partial_text: str = "",
        quoted: tuple[str, ...] = (),
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
        self.partial_text = partial_text
        self.quoted = quoted
        if retryable is not None:
            self.retryable = retryable
        if falls_back is not None:
            self.falls_back = falls_back
        if sent is not None:
            self.sent = sent

    def __reduce__(self) -> tuple[object, ...]:
        state = {name: value for name, value in vars(self).items() if name != "reply"}
        return type(self), self.args, state


class RateLimited(ChatError):
    """429: the API asks for fewer requests or tokens. `retry_after` is the wait, where the API names one.

    With `place_kept` the call may come back at once: it then waits in line, before those that came later.
    """

    kind = "rate_limited"
    retryable = True
    falls_back = True
    place_kept: bool = False


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
    """The API calls the request wrong. Sent again, it would be wrong again."""

    kind = "request_rejected"


class AuthenticationFailed(ChatError):
    """401: the API does not take this key."""

    kind = "authentication_failed"


class PermissionDenied(ChatError):
    """403: the key is good, but not for this."""

    kind = "permission_denied"


class BadReply(ChatError):
    """The status is 200, and what came is not an answer. Raised itself where the server broke it off."""

    kind = "bad_reply"
    retryable = True
    falls_back = True


class MalformedReply(BadReply):
    """The body is not JSON, or is not a chat completion: a proxy's page, a cut body, an error object."""

    kind = "malformed_reply"


class EmptyReply(BadReply):
    """A completion with neither text nor a tool call."""

    kind = "empty_reply"


class TruncatedReply(BadReply):
    """The answer was cut. `partial_text` is what there is of it."""

    kind = "truncated_reply"
    retryable = False


class RefusedReply(BadReply):
    """The model declined to answer; the message holds its words."""

    kind = "refused_reply"
    retryable = False
    falls_back = False


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
    """The request needs more than the rate limit could ever let through, by our count or by the API's."""

    kind = "request_too_large"
    sent = False
    falls_back = True


class BudgetExceeded(ChatError):
    """The request could cost more than the budget has left. Nothing was sent. `retry_after` is the time until
    the day's budget resets; None where it is the budget of one call."""

    kind = "budget_exceeded"
    sent = False


class PriceUnknown(ChatError):
    """There is a budget, and no price for this model. Nothing was sent."""

    kind = "price_unknown"
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


# By the error body's `code` or `type`, in lower case. Source of the first rows:
# https://platform.openai.com/docs/guides/error-codes
BY_CODE: dict[str, type[ChatError]] = {
    "insufficient_quota": QuotaExhausted,
    "billing_hard_limit_reached": QuotaExhausted,
    "billing_not_active": QuotaExhausted,
    "model_not_found": ModelUnavailable,
    "model_deprecated": ModelUnavailable,
    "context_length_exceeded": ContextTooLong,
    "content_filter": ContentFiltered,
    "content_policy_violation": ContentFiltered,
    "moderation_blocked": ContentFiltered,
    "invalid_prompt": ContentFiltered,  # github.com/alan-turing-institute/t0-1/issues/69
    "bio_policy": ContentFiltered,  # these three: openai.types.responses.ResponseError
    "misalignment_policy_violation": ContentFiltered,
    "image_content_policy_violation": ContentFiltered,
    "deploymentnotfound": ModelUnavailable,  # Azure: learn.microsoft.com/azure/ai-foundry/openai
    "exceeded_current_quota_error": QuotaExhausted,  # Moonshot: github.com/MoonshotAI/kimi-code/pull/1857
    "1113": QuotaExhausted,  # Z.ai: github.com/zai-org/GLM-5/issues/148
    "model_decommissioned": ModelUnavailable,  # Groq: github.com/valentinfrlch/ha-llmvision/issues/324
    "invalid_model": ModelUnavailable,  # Mistral: github.com/mistralai/mistral-vibe/issues/617
    "exceed_context_size_error": ContextTooLong,  # llama.cpp: github.com/ggml-org/llama.cpp/pull/15780
}

BY_STATUS: dict[int, type[ChatError]] = {
    401: AuthenticationFailed,
    402: QuotaExhausted,
    403: PermissionDenied,
    408: ServerError,
    409: ServerError,
    410: ModelUnavailable,
    429: RateLimited,
}


def says(pattern: str) -> Callable[[str], object]:
    """A test of a message: whether the pattern stands somewhere in it, in small letters or capitals."""
    return re.compile(pattern, re.IGNORECASE).search


_LIMIT = re.compile(r"\blimit(?: is|:)? ([\d,]+)", re.IGNORECASE)
_REQUESTED = re.compile(r"\brequested:? ~?([\d,]+)", re.IGNORECASE)


def asks_for_more_than_the_limit(message: str) -> bool:
    """Whether it says that this one request needs more than the whole limit: no waiting mends that.

    'Limit 30000, Requested 61234' does; 'Limit 250000, Used 249800, Requested 546' does not.
    """
    limit, requested = _LIMIT.search(message), _REQUESTED.search(message)
    if limit is None or requested is None:
        return False
    return int(requested[1].replace(",", "") or 0) > int(limit[1].replace(",", "") or 0)


# By the words of the message, for servers that give no code of their own: a status, a test, a class.
BY_TEXT: tuple[tuple[int, Callable[[str], object], type[ChatError]], ...] = (
    # OpenAI: github.com/TheR1D/shell_gpt/issues/653
    (429, asks_for_more_than_the_limit, RequestTooLarge),
    # Groq: github.com/continuedev/continue/issues/10218
    (413, asks_for_more_than_the_limit, RequestTooLarge),
    # Gemini: github.com/ai-christianson/RA.Aid/issues/182
    (429, says(r"doesn't have a free quota tier"), ModelUnavailable),
    # Moonshot: github.com/continuedev/continue/issues/11443
    (429, says(r"insufficient balance"), QuotaExhausted),
    # xAI: github.com/continuedev/continue/issues/10373
    (429, says(r"used all available credits"), QuotaExhausted),
    # xAI too: github.com/Anantys-oss/koan/issues/2412
    (403, says(r"used all available credits"), QuotaExhausted),
    # SiliconFlow: github.com/FoundationAgents/OpenManus/issues/438
    (403, says(r"balance is insufficient"), QuotaExhausted),
    # Anthropic's words, through gateways
    (400, says(r"credit balance is too low"), QuotaExhausted),
    # OpenAI, and those who copy its words: vLLM, DeepSeek; SGLang: github.com/anomalyco/opencode/pull/25230
    (400, says(r"maximum context length|context window"), ContextTooLong),
    # Anthropic: github.com/RooCodeInc/Roo-Code/issues/5816
    (400, says(r"prompt is too long"), ContextTooLong),
    # Gemini: github.com/google-gemini/gemini-cli/issues/6678
    (400, says(r"exceeds the maximum number of tokens allowed"), ContextTooLong),
    # vLLM, older: vllm/v1/engine/processor.py, github.com/vllm-project/vllm/issues/12165
    (400, says(r"longer than the maximum model length|too long to fit into the model"), ContextTooLong),
    # Together, and SGLang without a sum: sglang/srt/managers/tokenizer_manager.py
    (400, says(r"longer than the model's context length"), ContextTooLong),
    # Z.ai: github.com/tashfeenahmed/freellmapi/issues/873
    (400, says(r"prompt exceeds max length"), ContextTooLong),
    # llama.cpp: github.com/ItzCrazyKns/Vane/issues/1011
    (400, says(r"exceeds the available context size"), ContextTooLong),
    # llama.cpp, older: github.com/ggml-org/llama.cpp/pull/15780
    (500, says(r"exceeds the available context size"), ContextTooLong),
    # Ollama: github.com/nano-step/nano-brain/issues/208
    (400, says(r"input length exceeds the context length"), ContextTooLong),
    # OpenAI's 404 without a code, Azure, vLLM; Gemini's 'models/x is not found'
    (404, says(r"\b(models?|deployment)\b"), ModelUnavailable),
    # OpenRouter: github.com/chatboxai/chatbox/issues/2743
    (404, says(r"no endpoints found"), ModelUnavailable),
    # OpenRouter: github.com/continuedev/continue/issues/10758
    (400, says(r"is not a valid model ID"), ModelUnavailable),
    # DeepSeek: github.com/langbot-app/LangBot/issues/1643
    (400, says(r"model not exist"), ModelUnavailable),
    # Gemini: github.com/continuedev/continue/issues/10290
    (400, says(r"API key (not valid|expired)"), AuthenticationFailed),
)


def class_by_code(status: int, word: str | None) -> type[ChatError] | None:
    """The class in BY_CODE of a `code` or `type`, in small letters or capitals, or None.

    None for every word of a 5xx: there the fault is the server's, and what it says is not believed.
    """
    return BY_CODE.get(word.lower()) if word and 400 <= status < 500 else None


def class_by_text(status: int, message: str) -> type[ChatError] | None:
    """The class in the first row of BY_TEXT that has this status and fits the message, or None."""
    for known_status, matches, error in BY_TEXT:
        if status == known_status and matches(message):
            return error
    return None


def classify(
    status: int, *, code: str | None = None, type: str | None = None, message: str = ""
) -> type[ChatError]:
    """The class of the error that the API answered with.

    `code` and `type` are those of the error body. They say more than the message, and the message
    says more than the status.
    """
    return (
        class_by_code(status, code)
        or class_by_code(status, type)
        or class_by_text(status, message)
        or BY_STATUS.get(status)
        or (ServerError if status >= 500 else RequestRejected)
    )
