"""Logged: one record a call, and what all records have in common.

The library logs to the logger "safechat" and never configures logging; an
application calls `configure_logging`. A record's message is the name of its
event, its data are in `extra`, and what belongs to a call has its `call_id`:

    chat.call               outcome, latency, tokens, attempts: one a call, always
    chat.attempt_failed     one request that failed, and why
    chat.retry              the wait before the next one
    chat.fallback           on to another model
    chat.limited            a wait for room under the limits
    chat.breaker            a circuit that opened or closed
    chat.parameter_dropped  what a model does not take
    keys.read               a key that was read from its source
    keys.stale              a source that is down, and the key in hand goes on
    telemetry.off           an OpenTelemetry that cannot be used

Prompts and answers are not logged unless asked for (content.py). Not here: the file (logfile.py), taking
secrets out (redact.py), OpenTelemetry (telemetry.py), which listens to the same events.
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
import secrets
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from safechat.content import logged_prompt, logged_text
from safechat.errors import ChatError
from safechat.logfile import LogFile, wants_content
from safechat.messages import ChatReply, ChatRequest, Handler

_logger = logging.getLogger("safechat")
_nothing: Mapping[str, object] = {}
_context: contextvars.ContextVar[Mapping[str, object]] = contextvars.ContextVar(
    "safechat_log_context", default=_nothing
)


@contextmanager
def log_context(**fields: object) -> Iterator[None]:
    """Within it, every record has these fields too.

    with log_context(trace_id=request.headers["x-trace-id"]):
        chat.generate(…)

    A name that logging itself uses (`name`, `module`, `args`, …) gets an underscore at its end.
    """
    named = {f"{name}_" if name in _RESERVED else name: value for name, value in fields.items()}
    token = _context.set({**_context.get(), **named})
    try:
        yield
    finally:
        _context.reset(token)


# What a record has of its own; logging refuses to let `extra` write over it.
_RESERVED = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime"}

UNLOGGED = logging.NOTSET  # the level of what is no news: listeners hear it, and no log shows it

Listener = Callable[[int, str, Mapping[str, object]], None]
_listeners: list[Listener] = []


def listen(listener: Listener) -> Callable[[], None]:
    """From now on `listener` is told each event, whatever its level, and its fields; the answer ends that."""
    _listeners.append(listener)
    return lambda: _listeners.remove(listener)


def log_fields() -> Mapping[str, object]:
    """What `log_context` adds to every record here."""
    return _context.get()


def event(level: int, name: str, **fields: object) -> None:
    """One record. Nothing that goes wrong with it reaches the call that it tells of."""
    try:
        for listener in _listeners:
            listener(level, name, fields)
        if _logger.isEnabledFor(level):
            _logger.log(level, name, extra={**_context.get(), **fields})
    except Exception as error:  # of a listener, or of a filter or a handler of the application
        if logging.raiseExceptions:
            print(f"safechat: the event {name} was not logged: {type(error).__name__}", file=sys.stderr)


def configure_logging(
    path: str | Path = "chat_api.log",
    level: int | str = "INFO",
    *,
    json: bool = True,
    content: bool = False,
    max_bytes: int = 10_000_000,
    backups: int = 5,
    loggers: Sequence[str] = ("safechat",),
) -> LogFile:
    """Write records to `path`, as lines of JSON (or of text), without any secret, in the background.

    Calls never wait for the disk, and never fail with it. At `max_bytes` the
    file becomes `path.1`, that `path.2`, and so on. `loggers` are those whose
    records are written; ("safechat", "openai", "httpx2", "hvac") adds what the
    libraries below say. Calling it again for the same loggers replaces the file.

    `content` adds prompts and answers to `chat.call`, cut, and with personal data
    masked as far as it has a shape. Mind the law.
    """
    return LogFile(
        path, level, as_json=json, content=content, max_bytes=max_bytes, backups=backups, loggers=loggers
    )


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
