"""A cache of answers, for those who want one: DiskCache, and the layer that asks it first.

Answers are cached whole, for exactly the same question: for evaluations and for runs that are repeated. Not
for a chat with people, who want another answer to the same words. Not here: the layers' order (layers.py).
"""

from __future__ import annotations

import asyncio
import copy
import hashlib
import inspect
import json
import logging
import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol, cast

import anyio
import anyio.to_thread

from safechat.call.schema import parse_reply
from safechat.checks import check_count
from safechat.errors import ChatError, DeadlineExceeded, RateLimited, RequestTimedOut, TruncatedReply
from safechat.log.call_record import call_record
from safechat.log.events import event
from safechat.messages import CHAT, ChatReply, ChatRequest, Handler
from safechat.usage import Usage

_CACHED_ENDPOINTS = (CHAT, "POST /embeddings")
_PATIENCE = 1.0  # seconds for the cache; a call does not wait longer for it
# What another call may escape: it may have more time, or take an answer that was cut.
_OF_ONE_CALL = (DeadlineExceeded, RequestTimedOut, RateLimited, TruncatedReply)
# Of a reply: what is kept. `parsed` is made anew of the text, attempts and latency are those of a call.
_FIELDS = (
    "text", "model", "finish_reason", "request_id", "tool_calls", "base_url", "id", "reasoning", "raw", "api"
)  # fmt: skip


class Cache(Protocol):
    """What keeps answers: DiskCache, a Redis client, or any object with these two, also asynchronous."""

    def get(self, key: str) -> Any: ...
    def set(self, key: str, value: bytes) -> Any: ...


class DiskCache:
    """Answers in a folder, on `diskcache` (extra `[cache]`), for all processes of this machine.

    Beyond `max_bytes` those that nobody asked for longest are dropped; with `seconds` an answer is kept
    so long. Questions are kept as hashes, answers as they are: the folder is readable for its owner alone.
    """

    def __init__(
        self, path: str | os.PathLike[str], *, max_bytes: int = 2**30, seconds: float | None = None
    ) -> None:
        try:
            import diskcache
        except ImportError:
            raise ImportError("DiskCache needs the extra [cache]: pip install 'safechat[cache]'") from None

        class BytesOnly(diskcache.Disk):  # type: ignore[misc]
            """Never unpickles: a file that somebody else has put there runs no code."""

            def fetch(self, mode: int, filename: str | None, value: Any, read: bool) -> Any:
                if mode == diskcache.core.MODE_PICKLE:
                    raise ValueError("a pickle in the cache is not ours")
                return super().fetch(mode, filename, value, read)

        Path(path).mkdir(mode=0o700, parents=True, exist_ok=True)
        self._seconds = seconds
        self._cache = diskcache.Cache(
            os.fspath(path),
            disk=BytesOnly,
            size_limit=check_count("max_bytes", max_bytes),
            eviction_policy="least-recently-used",
        )

    def get(self, key: str) -> bytes | None:
        """The answer that is kept under this key."""
        return cast("bytes | None", self._cache.get(key))

    def set(self, key: str, value: bytes) -> None:
        """Keep it."""
        self._cache.set(key, value, expire=self._seconds)

    def close(self) -> None:
        """Close the files; the next call opens them again."""
        self._cache.close()


def check_cache(cache: object) -> Cache:
    """`cache`, if it has the two methods."""
    if not (callable(getattr(cache, "get", None)) and callable(getattr(cache, "set", None))):
        raise TypeError(f"cache must have get and set, as DiskCache has; {type(cache).__name__} has not")
    return cast(Cache, cache)


class Cached:
    """The layer: an answer that is kept takes no request, and of the same calls at once one asks.

    Kept are whole answers of the model that was asked: no error, no answer that was cut, none of a fallback.
    `where` says who answers: a question to another API, or with other fallbacks, is another one. Nobody waits
    for a stream, which goes at the pace of its consumer. A cache that fails or is slow never fails a call;
    that is logged once, until it works again. For one event loop.
    """

    def __init__(self, next: Handler, cache: Cache, where: Sequence[str | None] = ()) -> None:
        self._next = next
        self._cache = cache
        self._where = where
        self._flights: dict[str, asyncio.Future[object]] = {}  # what is kept, or the error
        self._works = True

    async def __call__(self, request: ChatRequest) -> ChatReply:
        """The reply that is kept, with `cached` set; else the next handler's, or its error."""
        if request.endpoint not in _CACHED_ENDPOINTS:
            return await self._next(request)
        key = key_of(request, self._where)
        while (flight := self._flights.get(key)) is not None:
            landed = await asyncio.shield(flight)
            if isinstance(landed, ChatError):
                raise _error_of_another(landed)
            if (kept := reply_of(landed, request)) is not None:
                return await _delivered(kept, request)
        if request.on_piece is None:
            flight = self._flights[key] = asyncio.get_running_loop().create_future()
        landed = None  # of a call that was cancelled, or whose error was its own: the next one asks
        try:
            landed = await self._try("get", key)
            if (kept := reply_of(landed, request)) is not None:
                return await _delivered(kept, request)
            reply, landed = await self._asked(request)
            if landed is not None:
                await self._try("set", key, landed)
            return reply
        except ChatError as error:
            landed = None if isinstance(error, _OF_ONE_CALL) else error
            raise
        finally:
            if flight is not None:
                del self._flights[key]
                flight.set_result(landed)

    async def _asked(self, request: ChatRequest) -> tuple[ChatReply, bytes | None]:
        """The next handler's reply, and what is to be kept of it."""
        with call_record() as record:
            reply = await self._next(request)
        may_be_cut = reply.finish_reason == "length" or (
            request.on_piece is not None and reply.finish_reason is None
        )
        return reply, None if record.fell_back or may_be_cut else bytes_of(reply)

    async def _try(self, name: str, *arguments: object) -> Any:
        """What the cache's method gives; None where it fails, or does not answer in time."""
        problem = f"no answer within {_PATIENCE:g} s"
        with anyio.move_on_after(_PATIENCE):
            try:
                result = await _called(getattr(self._cache, name), *arguments)
            except Exception as error:  # somebody else's object, and a call can do without it
                problem = f"{type(error).__name__}: {error}"
            else:
                self._works = True
                return result
        if self._works:
            self._works = False
            event(logging.WARNING, "cache.failed", operation=name, error=problem)
        return None


async def _called(function: Callable[..., Any], *arguments: object) -> Any:
    """A method of the cache: awaited where it is asynchronous, else in a thread, for it may block."""
    if inspect.iscoroutinefunction(function):
        return await function(*arguments)
    result = await anyio.to_thread.run_sync(lambda: function(*arguments), abandon_on_cancel=True)
    return await result if inspect.isawaitable(result) else result


async def _delivered(reply: ChatReply, request: ChatRequest) -> ChatReply:
    """A kept reply as that of this call, which has made no request; a stream gets it in one piece."""
    if request.on_piece is not None:
        if request.on_start is not None:
            request.on_start({})
        if reply.text:
            await request.on_piece(reply.text)
    return replace(reply, cached=True, attempts=0, headers={})


def _error_of_another(error: ChatError) -> ChatError:
    """The error of the call that asked, for one that waited for it and has made no request itself."""
    own = copy.copy(error)
    own.attempts = 0
    own.usage = None
    return own


def key_of(request: ChatRequest, where: Sequence[str | None]) -> str:
    """A hash of all that shapes the answer."""
    schema = request.parse.model_json_schema() if request.parse is not None else None
    shapes = [where, request.endpoint, request.api, request.model, request.messages, request.params, schema]
    text = json.dumps(shapes, sort_keys=True, default=_plain)
    return "safechat:" + hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _plain(value: object) -> object:
    """A mapping or a sequence of another kind as JSON's; anything else by its text."""
    if hasattr(value, "keys"):
        return dict(cast(Any, value))
    return list(value) if isinstance(value, tuple | set | frozenset) else repr(value)


def bytes_of(reply: ChatReply) -> bytes | None:
    """The reply as it is kept; None where JSON cannot hold it."""
    usage = reply.usage
    fields = {name: getattr(reply, name) for name in _FIELDS}
    fields["usage"] = {name: getattr(usage, name) for name in Usage.__slots__} if usage else None
    try:
        return json.dumps(fields, default=_mapping).encode()
    except TypeError:
        return None


def _mapping(value: object) -> object:
    if hasattr(value, "keys"):
        return dict(cast(Any, value))
    raise TypeError


def reply_of(value: object, request: ChatRequest) -> ChatReply | None:
    """The reply that is kept in `value`; None for another version's, or for one that does not fit `parse`."""
    try:
        fields = json.loads(cast(bytes, value)) if value is not None else None
        if not isinstance(fields, dict) or fields.keys() != {*_FIELDS, "usage"}:
            return None
        usage = Usage(**fields.pop("usage")) if fields["usage"] else fields.pop("usage")
        calls = tuple(fields.pop("tool_calls"))
        reply = ChatReply(**fields, tool_calls=calls, usage=usage)
        return reply if request.parse is None else parse_reply(reply, request.parse)
    except (ValueError, TypeError, ChatError):
        return None
