"""Events: what the library logs, and who else listens. One event is one record of the log.

The library logs to the logger "safechat" and never configures logging; an
application calls `configure_logging`. A record's message is the name of its
event, its data are in `extra`, and every record of a call has the call's `call_id`:

    chat.call               one per call, always: outcome, latency, first piece, tokens, attempts
    chat.attempt_failed     one request failed: why
    chat.retry              a wait before the next request
    chat.fallback           the call goes on with another model
    chat.limited            a wait for room under the limits
    chat.breaker            a circuit opened or closed
    chat.parameter_dropped  a model does not take a parameter
    chat.api_switched       a model, or its tools, are on the Responses API only
    chat.reasoning_dropped  reasoning in the messages is encrypted for another account, and was left out
    budget.nearly_spent     four fifths of a day's budget are spent
    budget.alone            Redis does not answer, and a shared budget goes on in parts
    cache.failed            the cache of answers does not work
    keys.read               a key was read from its source
    keys.failed             a key could not be read, and there is none in hand
    keys.stale              a source is down, and the key in hand is served
    limits.alone            Redis does not answer: this process goes on with its share of the limits
    limits.shared           it answers again, and the limits are shared
    log.lost                records were lost: how many, and why (queue.py)
    telemetry.off           OpenTelemetry is installed, and cannot be used

Not here: who writes `chat.call` (layer.py) and `chat.attempt_failed` (call_record.py), the file (file.py),
taking secrets out (redact.py of the package), OpenTelemetry (telemetry/), which listens to these events.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from types import MappingProxyType

from safechat.log.complaint import complain

# The fields that logging itself gives a record. It refuses an `extra` of such a name.
OWN_FIELDS = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
# The fields that every line of a log begins with.
FIRST_FIELDS = ("time", "level", "event")
_RESERVED = OWN_FIELDS | set(FIRST_FIELDS)

_logger = logging.getLogger("safechat")
_context: ContextVar[Mapping[str, object]] = ContextVar("safechat_log_context", default=MappingProxyType({}))


@contextmanager
def log_context(**fields: object) -> Iterator[None]:
    """Add these fields to every record that is logged within the block.

    with log_context(trace_id=request.headers["x-trace-id"]):
        chat.generate(…)

    A name that every record has (`name`, `module`, `time`, `level`, …) gets an underscore at its end.
    """
    named = {f"{name}_" if name in _RESERVED else name: value for name, value in fields.items()}
    token = _context.set({**_context.get(), **named})
    try:
        yield
    finally:
        _context.reset(token)


# Level for events that only listeners get; never written to a log.
UNLOGGED = logging.NOTSET

Listener = Callable[[int, str, Mapping[str, object]], None]
_listeners: list[Listener] = []


def listen(listener: Listener) -> Callable[[], None]:
    """From now on `listener` gets the level, name and fields of every event. Call the result to end that."""
    _listeners.append(listener)
    return lambda: _listeners.remove(listener)


def log_fields() -> Mapping[str, object]:
    """The fields that `log_context` adds to every record here."""
    return _context.get()


def event(level: int, name: str, **fields: object) -> None:
    """Log one record, and give it to the listeners. Never raises, so that a log cannot harm a call."""
    try:
        for listener in _listeners:
            listener(level, name, fields)
        if _logger.isEnabledFor(level):
            _logger.log(level, name, extra={**_context.get(), **fields})
    except Exception as error:  # of a listener, or of a filter or a handler of the application
        if logging.raiseExceptions:
            complain(f"the event {name} was not logged: {type(error).__name__}")
