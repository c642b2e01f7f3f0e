"""Logged: the layer that logs one event per call, `chat.call`, whatever the outcome.

Prompts and answers are in it only if a log wants them (content.py, quotes.py). Not here: the other events
of a call (events.py lists them), the requests that failed (call_record.py).
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from itertools import count

from safechat.errors import ChatError
from safechat.log.call_record import CallRecord, answer_fields, call_record, token_fields
from safechat.log.content import logged_prompt, logged_text, wants_content
from safechat.log.events import event, log_context
from safechat.log.quotes import error_text
from safechat.messages import CHAT, ChatReply, ChatRequest, Handler
from safechat.runtime.process import begin_anew_after_fork
from safechat.usage import Usage


class Logged:
    """The layer. It logs one `chat.call` for each call, whatever its end, when that has come.

    Its `outcome` is "ok" with the reply's fields; "cancelled", as a warning; a ChatError's `kind` with
    the error's fields; or, for any other Exception, "unexpected" with the `error` text. Within the
    call, every record has the same `call_id`, and the layers below share one `call_record()`.
    """

    def __init__(self, next: Handler) -> None:
        self._next = next

    async def __call__(self, request: ChatRequest) -> ChatReply:
        """The next handler's reply or error, unchanged."""
        with log_context(call_id=new_call_id()), call_record() as record:
            started = time.perf_counter()
            try:
                reply = await self._next(request)
            except asyncio.CancelledError:
                log_call(logging.WARNING, request, record, started, outcome="cancelled")
                raise
            except Exception as error:
                outcome, fields = outcome_of(error, request)
                log_call(logging.ERROR, request, record, started, outcome=outcome, **fields)
                raise
            log_call(logging.INFO, request, record, started, outcome="ok", **reply_fields(reply, record))
            return reply


class _CallIds:
    """Numbers, from a random one on. To ask the system for random bytes lets other threads run, so each call
    would wait for its turn."""

    def __init__(self) -> None:
        self.begin()
        begin_anew_after_fork(self)

    def begin(self) -> None:
        self.next = count(secrets.randbits(63)).__next__


_ids = _CallIds()


def new_call_id() -> str:
    """An id that no other call has, of this process or of another: 16 hexadecimal digits."""
    return f"{_ids.next():016x}"


def log_cancelled(request: ChatRequest, seconds: float) -> None:
    """Log the `chat.call` of a call that was cancelled after `seconds`, before it came to any layer."""
    started = time.perf_counter() - seconds
    with log_context(call_id=new_call_id()), call_record(new=True) as record:
        log_call(logging.WARNING, request=request, record=record, started=started, outcome="cancelled")


def log_call(
    level: int, request: ChatRequest, record: CallRecord, started: float, *, outcome: str, **fields: object
) -> None:
    """Log `chat.call`. `started` is the call's beginning, on time.perf_counter's clock. From then on count
    `latency_ms`, and `first_piece_ms` of a stream; `tokens_per_s` counts from the last request on.

    The tokens are those of the answer. Those of answers that failed, and are billed as well, are in
    `failed_prompt_tokens` and so on; each of them is in its own `chat.attempt_failed`, too.
    """
    event(
        level,
        "chat.call",
        model=request.model,
        latency_ms=_milliseconds(started, time.perf_counter()),
        stream=request.on_piece is not None,
        outcome=outcome,
        **({"endpoint": request.endpoint} if request.endpoint != CHAT else {}),
        **({"first_piece_ms": _milliseconds(started, record.first_piece)} if record.first_piece else {}),
        **fields,
        **{name: round(number, 6) for name, number in record.notes.items()},
        **(token_fields(record.usage, "failed_") if record.usage != Usage() else {}),
        **({"prompt": logged_prompt(request.messages)} if wants_content() else {}),
    )


def _milliseconds(started: float, ended: float) -> float:
    return round((ended - started) * 1000, 1)


def reply_fields(reply: ChatReply, record: CallRecord) -> dict[str, object]:
    """What is logged of a reply."""
    fields: dict[str, object] = {
        **answer_fields(reply.model, reply.base_url, None if reply.cached else reply.usage),
        "attempts": reply.attempts,
        "finish_reason": reply.finish_reason,
        "request_id": reply.request_id,
        "completion_id": reply.id,
        **({"api": reply.api} if reply.api != "chat" else {}),
    }
    if reply.cached:
        fields["cached"] = True
    elif (speed := record.tokens_per_second(reply.usage)) is not None:
        fields["tokens_per_s"] = round(speed, 1)
    if wants_content():
        fields["answer"] = logged_text(reply.text)
    return fields


def outcome_of(error: Exception, request: ChatRequest) -> tuple[str, dict[str, object]]:
    """The `outcome` that is logged of an error, and the fields beside it.

    What is no ChatError is a mistake of the program, such as an unknown parameter: "unexpected".
    """
    if isinstance(error, ChatError):
        return error.kind, error_fields(error, request)
    return "unexpected", {"error": error_text(error, request)}


def error_fields(error: ChatError, request: ChatRequest) -> dict[str, object]:
    """What is logged of an error."""
    return {
        "error": error_text(error, request),
        "attempts": error.attempts,
        "status": error.status,
        "code": error.code,
        "request_id": error.request_id,
    }
