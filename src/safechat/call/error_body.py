"""The body of an error, in each server's form, as a ChatError.

Not here: which class a code, a message or a status means (errors.py), the exceptions
of the SDK (translate.py).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from safechat.call.fields import field, text_of
from safechat.errors import BY_CODE, BadReply, ChatError, MalformedReply, classify
from safechat.headers import retry_after, retry_after_in_body, should_retry
from safechat.redact import redact
from safechat.usage import Usage

_RATE_LIMIT = re.compile(r"rate_?limit|insufficient_quota", re.IGNORECASE)
_MOST_CHARACTERS = 500  # of a message


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
        return ErrorBody(message=_one_line(body))
    if (inner := error_within(body)) is not None:
        return read_error_body(inner)
    code = text_of(field(body, "code"))
    return ErrorBody(
        message=_one_line(_message(body)),
        code=_clean(code),
        type=_clean(text_of(field(body, "type")) or text_of(field(body, "status"))),
        param=_clean(text_of(field(body, "param"))),
        status=_status(code),
    )


def error_within(value: object) -> object:
    """The error that `value` holds as its `error`; None where there is none, or nothing that reads as one."""
    error = field(value, "error")
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
    return None


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
    wait = retry_after(headers)
    return error(
        f"{model}: {status}{f' {word}' if word else ''}: {read.message or 'no reason given'}",
        status=status,
        code=read.code,
        param=read.param,
        request_id=headers.get("x-request-id"),
        retry_after=retry_after_in_body(body) if wait is None else wait,
        model=model,
        retryable=should_retry(headers),
        sent=True,
    )


def _message(body: object) -> str:
    """Its words. OpenRouter puts those of the provider behind it into `metadata.raw`."""
    message = next((text for name in ("message", "detail", "msg") if (text := _words(field(body, name)))), "")
    raw = text_of(field(field(body, "metadata"), "raw"))
    return f"{message}: {raw}" if raw else message


def _words(value: object) -> str:
    """A text, or FastAPI's list of problems: `[{"loc": ["body", "model"], "msg": "Field required"}]`."""
    if not isinstance(value, list | tuple):
        return text_of(value) or ""
    problems = []
    for problem in value:
        place = field(problem, "loc")
        where = ".".join(map(str, place)) if isinstance(place, list | tuple) else ""
        problems.append(": ".join(filter(None, (where, text_of(field(problem, "msg"))))))
    return "; ".join(filter(None, problems))


def _status(code: str | None) -> int | None:
    return int(code) if code and re.fullmatch(r"[45]\d\d", code) else None


def _one_line(text: str) -> str:
    return redact(" ".join(text.split())[:_MOST_CHARACTERS])


def _clean(word: str | None) -> str | None:
    return redact(word) if word is not None else None
