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

import contextvars
import logging
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

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
