"""CallRecord: what a call gathers on its way through the layers, and `chat.attempt_failed`.

The request is frozen, and the layers do not know each other. So what one layer finds out and another
needs lives here, once: the requests that failed, and the time in which none was under way. Not here: what
is written of the whole call (layer.py).
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from typing import Self
from urllib.parse import urlsplit

from safechat.errors import ChatError
from safechat.log.events import event
from safechat.log.quotes import error_text
from safechat.messages import ChatReply, ChatRequest
from safechat.runtime import clock
from safechat.usage import Usage


@dataclass(slots=True)
class CallRecord:
    """The failures of one call, in their order; how many requests they took, and what those cost.

    `notes` are further fields of the log's `chat.call`. `began` is on the event loop's clock: the moment from
    which the call's deadline counts; `resumed` too.
    """

    failures: list[ChatError] = field(default_factory=list)
    requests: int = 0
    usage: Usage = field(default_factory=Usage)
    waited: float = 0.0  # seconds
    waiting: bool = False
    began: float = field(default_factory=clock.now)
    # The end of the last wait: since then the last request is under way.
    resumed: float | None = None
    fell_back: bool = False  # whether another model than the request's was asked
    notes: dict[str, float] = field(default_factory=dict)
    first_piece: float | None = None  # when a stream's first piece came, on time.perf_counter's clock

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """The record goes on with its call."""

    def wait(self) -> Wait:
        """A `with` block in which no request is under way: the call waits for its turn, or for a key."""
        return Wait(self)

    def piece_came(self) -> None:
        """The first piece of the answer is there."""
        self.first_piece = time.perf_counter()

    def tokens_per_second(self, usage: Usage | None) -> float | None:
        """The completion's tokens for each second of the request that was answered now; None where no time
        has gone by, or nothing was counted."""
        seconds = clock.now() - (self.began if self.resumed is None else self.resumed)
        return (
            usage.completion_tokens / seconds if usage and usage.completion_tokens and seconds > 0 else None
        )

    def add(self, error: ChatError) -> None:
        """Note a failure, once. From now on its `attempts` counts all requests of the call so far."""
        if any(error is failure for failure in self.failures):
            return
        self.failures.append(error)
        self.requests += error.attempts
        error.attempts = self.requests
        if error.usage is not None:
            self.usage += error.usage

    def attempt_failed(self, error: ChatError, request: ChatRequest, **fields: object) -> None:
        """Note a failed request, and write the event `chat.attempt_failed`, with `fields` beside its own."""
        self.add(error)
        event(
            logging.WARNING,
            "chat.attempt_failed",
            model=request.model,
            attempt=request.attempt,
            kind=error.kind,
            status=error.status,
            code=error.code,
            request_id=error.request_id,
            retry_after=error.retry_after,
            **fields,
            **(answer_fields(error.model, error.base_url, error.usage) if error.usage is not None else {}),
            error=error_text(error, request),
        )

    def counted(self, reply: ChatReply) -> ChatReply:
        """`reply` with all requests of the call in its `attempts`."""
        return replace(reply, attempts=self.requests + 1) if self.requests else reply


def answer_fields(model: str | None, base_url: str | None, usage: Usage | None) -> dict[str, object]:
    """What is logged of an answer, whole or not, so that it can be priced: who gave it, and its tokens."""
    host = urlsplit(base_url).hostname if base_url else None
    return {"answered_by": model, "host": host, **token_fields(usage)}


def token_fields(usage: Usage | None, prefix: str = "") -> dict[str, object]:
    """The counts by their names in the log; nothing where none were counted."""
    if usage is None:
        return {}
    names = ("prompt_tokens", "completion_tokens", "cached_tokens", "reasoning_tokens")
    return {prefix + name: getattr(usage, name) for name in names}


class Wait:
    """Adds the seconds of its block to `waited`. Where the wait was cut off, `waiting` stays true."""

    __slots__ = ("_began", "_record")

    def __init__(self, record: CallRecord) -> None:
        self._record = record
        self._began = 0.0

    def __enter__(self) -> None:
        self._began = clock.now()
        self._record.waiting = True

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        now = clock.now()
        self._record.waited += now - self._began
        self._record.resumed = now
        self._record.waiting = kind is not None and issubclass(kind, asyncio.CancelledError)


_record: ContextVar[CallRecord | None] = ContextVar("safechat_call_record", default=None)


def call_record(*, new: bool = False) -> AbstractContextManager[CallRecord]:
    """The record of the call that is under way here. Where there is none, or with `new`, one begins.

    So a layer also works alone, outside the wrapper.
    """
    current = None if new else _record.get()
    return _begun() if current is None else current


@contextmanager
def _begun() -> Iterator[CallRecord]:
    record = CallRecord()
    token = _record.set(record)
    try:
        yield record
    finally:
        _record.reset(token)
