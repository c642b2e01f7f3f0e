"""Logged: the layer that writes one record a call. Not here: what all records have in common (events.py)."""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from urllib.parse import urlsplit

from safechat.errors import ChatError
from safechat.log.content import logged_prompt, logged_text
from safechat.log.events import event, log_context
from safechat.log.file import wants_content
from safechat.messages import ChatReply, ChatRequest, Handler


class Logged:
    """The layer."""

    def __init__(self, next: Handler) -> None:
        self._next = next

    async def __call__(self, request: ChatRequest) -> ChatReply:
        """The next handler's reply or error, and a `chat.call` that tells it."""
        with log_context(call_id=secrets.token_hex(8)):
            started = time.perf_counter()
            try:
                reply = await self._next(request)
            except asyncio.CancelledError:
                _tell(logging.WARNING, request, started, outcome="cancelled")
                raise
            except ChatError as error:
                _tell(logging.ERROR, request, started, outcome=error.kind, **_of_error(error))
                raise
            except Exception as error:  # a mistake in the program: a parameter that does not exist
                said = f"{type(error).__name__}: {error}"
                _tell(logging.ERROR, request, started, outcome="unexpected", error=said)
                raise
            _tell(logging.INFO, request, started, outcome="ok", **_of_reply(reply))
            return reply


def _tell(level: int, request: ChatRequest, started: float, **fields: object) -> None:
    event(
        level,
        "chat.call",
        model=request.model,
        latency_ms=round((time.perf_counter() - started) * 1000, 1),
        stream=request.on_piece is not None,
        **fields,
        **({"prompt": logged_prompt(request.messages)} if wants_content() else {}),
    )


def _of_reply(reply: ChatReply) -> dict[str, object]:
    fields: dict[str, object] = {
        "answered_by": reply.model,
        "host": urlsplit(reply.base_url).hostname if reply.base_url else None,
        "attempts": reply.attempts,
        "finish_reason": reply.finish_reason,
        "request_id": reply.request_id,
    }
    if wants_content():
        fields["answer"] = logged_text(reply.text)
    if (usage := reply.usage) is not None:
        fields |= {
            "prompt_tokens": usage.prompt_tokens,
            "completion_tokens": usage.completion_tokens,
            "cached_tokens": usage.cached_tokens,
            "reasoning_tokens": usage.reasoning_tokens,
        }
    return fields


def _of_error(error: ChatError) -> dict[str, object]:
    return {
        "error": str(error),
        "attempts": error.attempts,
        "status": error.status,
        "code": error.code,
        "request_id": error.request_id,
    }
