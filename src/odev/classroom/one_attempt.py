"""Lesson 01: its faults, and what its `attempt` is given, which reads by the student's functions.

    with room.broken(**FAULTS["kredi bitti"]):
    send, read, translate = parts(classify, checked_reply)

Not here: the package's own, which are in safechat's room call.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, NamedTuple

import openai

from safechat.call.reply import reply_in
from safechat.errors import ChatError, RequestTimedOut
from safechat.messages import ChatReply, ChatRequest

_SELAM = '{"choices": [{"message": {"content": "Selam, iyi misin?"}, "finish_reason": "stop"}]}'
_JSON = {"content_type": "application/json"}
FAULTS: dict[str, dict[str, Any]] = {
    "çok istek": {"fault": "fail", "status": 429, "code": "rate_limit_exceeded"},
    "kredi bitti": {
        "fault": "fail",
        "status": 429,
        "code": "insufficient_quota",
        "message": "You exceeded your quota.",
    },
    "proxy'den HTML": {"fault": "answer"},
    "damlayan cevap": {"fault": "drip", "body": _SELAM, "seconds": 0.05, **_JSON},
    "kesik cevap": {"fault": "reply", "text": "Suyu kaynat, çayı", "finish_reason": "length"},
}

Answer = tuple[object, Mapping[str, str]]  # the body and the headers


class Parts(NamedTuple):
    send: Callable[[ChatRequest], Awaitable[Answer]]
    read: Callable[[object, ChatRequest, Mapping[str, str]], ChatReply]
    translate: Callable[[Exception, ChatRequest], Exception]


def parts(
    classify: Callable[..., type[ChatError]],
    checked_reply: Callable[[ChatReply, ChatRequest, str | None], ChatReply],
) -> Parts:
    """`send`, `read` and `translate`, which use these two functions of a notebook."""
    client = openai.AsyncOpenAI(max_retries=0)

    async def send(request: ChatRequest) -> Answer:
        create = client.chat.completions.with_raw_response.create
        response = await create(model=request.model, messages=request.messages)  # type: ignore[arg-type]
        return response.http_response.content, dict(response.http_response.headers)

    def read(answer: object, request: ChatRequest, headers: Mapping[str, str]) -> ChatReply:
        reply, refusal = reply_in(answer, request, headers)
        return checked_reply(reply, request, refusal)

    def translate(exception: Exception, request: ChatRequest) -> Exception:
        """The error in place of the exception (Turkish). What a task that is not written raises stays."""
        if isinstance(exception, ChatError | NotImplementedError):
            return exception
        if isinstance(exception, TimeoutError):
            return RequestTimedOut(f"{request.timeout:g} saniyede cevap gelmedi")
        if isinstance(exception, openai.APIStatusError):
            words = {"code": exception.code, "type": exception.type, "message": exception.message}
            kind = classify(exception.status_code, **words)
            return kind(f"API'nin söylediği: {exception.code or exception.status_code}")
        return ChatError(f"beklenmeyen hata: {type(exception).__name__}: {exception}")

    return Parts(send, read, translate)
