"""The body of an error, in each server's form, as a ChatError.

Not here: which class a code, a message or a status means (errors.py), the exceptions
of the SDK (translate.py).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass

from safechat.call.fields import field, text_of
from safechat.errors import BY_CODE, BadReply, ChatError, MalformedReply, ModelUnavailable, classify
from safechat.headers import retry_after, retry_after_in_body, should_retry
from safechat.redact import redact
from safechat.runtime import clock
from safechat.shutdowns import notice
from safechat.usage import Usage

_RATE_LIMIT = re.compile(r"rate_?limit|insufficient_quota|too_many_requests", re.IGNORECASE)
# Codes of a wrong request: openai.types.responses.ResponseError. failed_to_download_image is none.
_WRONG_REQUEST = re.compile(r"(invalid|unsupported|image|empty)_|\w+_mismatch$", re.IGNORECASE)
_MOST_CHARACTERS = 500  # of a message

# What Chat Completions says of requests that it leaves to the Responses API.
# OpenAI, for gpt-5.4 and later: github.com/openai/openai-openapi/issues/541
TOOLS_HAVE_MOVED = re.compile(r"tools with reasoning_effort are not supported", re.IGNORECASE)
MODEL_HAS_MOVED = re.compile(
    # OpenAI, for o1-pro, o3-pro and others: github.com/sigoden/aichat/pull/1318
    r"only (supported|available) in (the )?/?v1/responses"
    # Azure: github.com/langchain-ai/langchain-azure/issues/228
    r"|chatCompletion operation does not work with the specified model",
    re.IGNORECASE,
)
# What the Responses API says of reasoning that another account, region or provider has encrypted:
# github.com/openai/codex/issues/3573
REASONING_OF_ANOTHER = re.compile(r"encrypted content\b.*\bcould not be (verified|decrypted)", re.IGNORECASE)

# What the caller can do about a refusal, by its words. Nothing is switched silently: the remedies change the
# answer, or the API.
_REMEDIES = (
    (TOOLS_HAVE_MOVED, 'pass reasoning_effort="none", or api="responses" for the Responses API'),
    (MODEL_HAS_MOVED, 'pass api="responses" for the Responses API, or choose a model of Chat Completions'),
)


@dataclass(frozen=True, slots=True)
class ErrorBody:
    """What an error body says, without keys. `status` is an HTTP status that stands in it, where one does."""

    message: str = ""
    code: str | None = None
    type: str | None = None
    param: str | None = None
    status: int | None = None


def read_error_body(body: object) -> ErrorBody:
    """Reads `{"error": {…}}` and the object within, and the forms of others: `{"error": "text"}`,
    `{"detail": …}` (FastAPI), `{"message": …}`, `[{"error": …}]` (Gemini), a text."""
    if isinstance(body, list | tuple):
        return read_error_body(body[0]) if body else ErrorBody()
    if isinstance(body, str):
        decoded = _decoded(body)
        return ErrorBody(message=_one_line(body)) if decoded is None else read_error_body(decoded)
    if (inner := error_within(body)) is not None:
        return read_error_body(inner)
    code = text_of(field(body, "code"))
    return ErrorBody(
        message=_one_line(_message(body)),
        code=_clean(code),
        type=_clean(text_of(field(body, "type")) or text_of(field(body, "status"))),
        param=_clean(text_of(field(body, "param")) or _parameter_of_problem(body)),
        status=_status(code),
    )


def _decoded(text: str) -> object:
    """The object in a text of JSON, which a client that is not the SDK's may give as it came; else None."""
    if text.lstrip()[:1] in ("{", "["):
        with suppress(ValueError):
            decoded: object = json.loads(text)
            return decoded
    return None


def error_within(value: object) -> object:
    """The error that `value` holds as its `error`; None where there is none, or nothing that reads as one."""
    error = field(value, "error")
    if error is None:
        return None
    if isinstance(error, str | Mapping | list | tuple):
        return error or None
    return error if any(text_of(field(error, name)) for name in ("message", "code")) else None


def holds_error(body: object) -> bool:
    """Whether what came in place of an answer is an error body, in any form."""
    if isinstance(body, str):
        return False
    return error_within(body) is not None or bool(read_error_body(body).message)


def implied_status(body: ErrorBody) -> int | None:
    """The HTTP status that an error should have had which came in a 200 or in a stream; None if unknown."""
    words = {word.lower() for word in (body.code, body.type) if word}
    if body.status is not None:
        return body.status
    if any(_RATE_LIMIT.search(word) for word in words):
        return 429
    if words & BY_CODE.keys() or any("invalid_request" in word for word in words):
        return 400
    return 400 if _WRONG_REQUEST.match(body.code or "") else None


def error_without_status(body: object, model: str, headers: Mapping[str, str]) -> ChatError:
    """The error of an event in a stream, or of a response that failed: by the status that it should have had.

    One that is not known is the server's: `server_is_overloaded`, `slow_down`.
    """
    return api_error(body, implied_status(read_error_body(body)) or 500, model, headers)


def error_in_place_of_an_answer(body: object, model: str, request_id: str | None) -> ChatError:
    """The error for an error body that came with the status 200: by the status that it should have had."""
    read = read_error_body(body)
    headers = {"x-request-id": request_id} if request_id else {}
    if (status := implied_status(read)) is not None:
        return api_error(body, status, model, headers)
    shown = redact(repr(body)[:_MOST_CHARACTERS])
    return MalformedReply(
        f"{model}: a 200 that holds an error: {read.message or shown}",
        status=200,
        code=read.code,
        request_id=request_id,
        model=model,
        quoted=() if read.message else (shown,),
    )


def broken_off(
    body: object, model: str, request_id: str | None, *, usage: Usage | None, partial_text: str
) -> BadReply:
    """The error for an answer that holds an error beside its text: the server broke it off."""
    read = read_error_body(body)
    return BadReply(
        f"{model}: the server broke the answer off: {read.message or 'no reason given'}",
        status=200,
        code=read.code,
        request_id=request_id,
        model=model,
        usage=usage,
        partial_text=partial_text,
    )


def api_error(body: object, status: int, model: str, headers: Mapping[str, str]) -> ChatError:
    """The error that the API answered with; `body` is the decoded body, `headers` have lower-case names."""
    read = read_error_body(body)
    error = classify(status, code=read.code, type=read.type, message=read.message)
    word = read.code if read.status is None else read.type
    text = f"{model}: {status}{f' {word}' if word else ''}: {read.message or 'no reason given'}"
    is_deployment = read.code == "DeploymentNotFound"  # Azure: the name of a deployment is not OpenAI's
    if error is ModelUnavailable and not is_deployment and (end := notice(model, clock.today())):
        text += f" ({end})"
    remedy = next((f"; {remedy}" for refused, remedy in _REMEDIES if refused.search(read.message)), "")
    return error(
        f"{text}{remedy}",
        status=status,
        code=read.code,
        param=read.param,
        request_id=headers.get("x-request-id"),
        retry_after=asked_wait(body, headers),
        model=model,
        retryable=should_retry(headers),
        sent=True,
    )


def asked_wait(body: object, headers: Mapping[str, str]) -> float | None:
    """The wait that the API asks for, in its headers or else in the body; None if it asks for none.

    The wait is only a hint. Where reading one fails in any way, that must not hide the API's own error.
    """
    with suppress(Exception):
        if (wait := retry_after(headers)) is not None:
            return wait
    with suppress(Exception):
        return retry_after_in_body(body)
    return None


def _message(body: object) -> str:
    """Its words. OpenRouter puts those of the provider behind it into `metadata.raw`."""
    message = next((text for name in ("message", "detail", "msg") if (text := _words(field(body, name)))), "")
    raw = text_of(field(field(body, "metadata"), "raw"))
    return f"{message}: {raw}" if raw else message


def _words(value: object) -> str:
    """A text, or FastAPI's list of problems: `[{"loc": ["body", "model"], "msg": "Field required"}]`, which
    Mistral wraps once more: `{"detail": […]}`."""
    if isinstance(value, Mapping):
        return _message(value)
    if not isinstance(value, list | tuple):
        return text_of(value) or ""
    problems = (": ".join(filter(None, (".".join(_place(one)), text_of(field(one, "msg"))))) for one in value)
    return "; ".join(filter(None, problems))


def _parameter_of_problem(body: object) -> str | None:
    """The parameter that the first of FastAPI's problems is about."""
    for name in ("detail", "message"):
        value = field(body, name)
        if isinstance(value, Mapping):
            return _parameter_of_problem(value)
        if isinstance(value, list | tuple) and value and (place := _place(value[0])):
            return next(iter(place[1:] if place[0] == "body" else place), None)
    return None


def _place(problem: object) -> list[str]:
    place = field(problem, "loc")
    return [str(part) for part in place] if isinstance(place, list | tuple) else []


def _status(code: str | None) -> int | None:
    return int(code) if code and re.fullmatch(r"[45]\d\d", code) else None


def _one_line(text: str) -> str:
    return redact(" ".join(text.split())[:_MOST_CHARACTERS])


def _clean(word: str | None) -> str | None:
    return redact(word) if word is not None else None
