"""API keys: where a key comes from, and the cache that keeps its source out of a call's way.

One read serves all who wait for it. A key in hand outlives a source that is down,
for an hour at most, but never one that denies it. Not here: Vault (vault_keys.py),
the environment (env_keys.py), the second request after a 401 (keyed.py).
"""

from __future__ import annotations

import asyncio
import copy
import logging
import random as _random
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress

import anyio

from safechat.checks import check_seconds
from safechat.errors import ChatError, KeyUnavailable, VaultSealed, VaultUnreachable
from safechat.keys.source import Key
from safechat.log.events import event
from safechat.redact import redact
from safechat.runtime.process import begin_anew_after_fork

_JITTER = 0.1  # of the time to live, so that many processes do not read at once
_LONGEST_STALE = 3600.0  # seconds past its time that a key in hand is served while its source is down
_PATIENCE = 1.0  # seconds that a call waits for a read while it has a key in hand
_TRY_AGAIN = 10.0  # seconds until the next read after a failed one, with a key in hand …
_TRY_AGAIN_EMPTY_HANDED = 1.0  # … and without: until then the failure is everyone's
_MOST_READERS = 3  # threads; a source that neither answers nor fails may hold so many


class CachedKeys(ABC):
    """A source that is slow to read, behind a cache. For all threads and event loops of a program.

    A key is read again after `ttl` seconds, give or take a tenth; at once when the
    API has refused it, and then not again for `refresh_interval` seconds. A read
    takes `longest_read` seconds at most. `clock` counts seconds.
    """

    source = "?"  # what it is, and …
    path = ""  # … where in it the key stands, for logs and metrics

    def __init__(
        self,
        *,
        ttl: float,
        refresh_interval: float,
        longest_read: float,
        clock: Callable[[], float] = time.monotonic,
        random: Callable[[], float] = _random.random,
    ) -> None:
        check_seconds("refresh_interval", refresh_interval, zero=True)
        self._ttl = ttl
        self._refresh_interval = refresh_interval
        self._longest_read = longest_read
        self._clock = clock
        self._random = random
        self._key: Key | None = None
        self._read_at = 0.0
        self._fresh_until = 0.0
        self._stale_until = 0.0
        self._refresh_from = 0.0  # until then a refused key is not read again
        self._failure: ChatError | None = None
        self._failed_until = 0.0
        self.begin()
        begin_anew_after_fork(self)

    def begin(self) -> None:
        """Also in the child of a fork, where the parent's reading thread does not exist."""
        self._lock = threading.Lock()
        self._flight: _Flight | None = None
        self._readers = 0

    @abstractmethod
    def _read(self) -> Key:
        """The key, from its source. Blocks. Raises KeyUnavailable."""

    def _gave_up(self) -> None:  # noqa: B027 - most sources have nothing to do then
        """A read took too long. Its thread may go on; the next read is another thread's."""

    async def get(self, not_version: int | None = None) -> Key:
        """The key in hand while it is fresh; else a new one, in one read for all who ask meanwhile.

        With the version of a key that was refused: another, if the source has one.
        Raises KeyUnavailable, of the kind that says what is wrong.
        """
        while True:
            found, in_hand = self._look(not_version)
            if isinstance(found, Key):
                return found
            patience = _PATIENCE if in_hand is not None else self._longest_read
            await self._landed(found, found.started + patience - self._clock())
            if not found.done.done():
                if in_hand is not None:
                    return in_hand
                limit = f"{self.source}: no whole answer within {self._longest_read:g} s"
                self._land(found, VaultUnreachable(limit))
            if found.failure is not None:
                raise copy.copy(found.failure)

    def _look(self, not_version: int | None) -> tuple[Key | _Flight, Key | None]:
        """What to answer, or the read to wait for; and the key to serve should that take long."""
        with self._lock:
            now = self._clock()
            key = self._key if now < self._stale_until else None
            refused = key is not None and key.version == not_version
            if key is not None and now < (self._refresh_from if refused else self._fresh_until):
                return key, None
            if key is None and self._failure is not None and now < self._failed_until:
                raise copy.copy(self._failure)
            if self._flight is None or now - self._flight.started > self._longest_read:
                problem = self._start(now, refused)
                if problem and key is not None:
                    return key, None
                if problem:
                    raise KeyUnavailable(f"{self.source}: it cannot be read: {problem}")
            assert self._flight is not None
            return self._flight, None if refused else key

    def _start(self, now: float, refused: bool) -> str:
        """A new flight; else the reason why there is none."""
        if self._flight is not None:
            self._gave_up()
        if self._readers >= _MOST_READERS:
            return f"{self._readers} reads hang"
        flight = _Flight(now, refused)
        try:
            threading.Thread(target=self._fly, args=(flight,), name="safechat-keys", daemon=True).start()
        except RuntimeError as error:
            return str(error)
        self._flight = flight
        self._readers += 1
        return ""

    def _fly(self, flight: _Flight) -> None:
        try:
            result: Key | ChatError = self._read()
        except ChatError as error:
            result = error
        except Exception as exception:
            text = redact(f"{self.source}: unexpected {type(exception).__name__}: {exception}")
            result = KeyUnavailable(text)
        with self._lock:
            self._readers -= 1
        self._land(flight, result)

    def _land(self, flight: _Flight, result: Key | ChatError) -> None:
        """The end of a read, once: a new key, a key in hand that goes on, or a failure for everyone."""
        with self._lock:
            if self._flight is not flight:
                return
            self._flight = None
            now = self._clock()
            if flight.refused:
                self._refresh_from = now + self._refresh_interval
            stale = False
            if isinstance(result, Key):
                self._key, self._read_at, self._failure = result, now, None
                self._fresh_until = now + self._ttl * (1 + _JITTER * (2 * self._random() - 1))
                self._stale_until = self._fresh_until + _LONGEST_STALE
            else:
                down = isinstance(result, VaultUnreachable | VaultSealed)
                stale = down and self._key is not None and now < self._stale_until
                if stale:
                    self._fresh_until = now + min(_TRY_AGAIN, self._ttl)
                else:
                    self._key = None
                    flight.failure = self._failure = result.with_traceback(None)
                    self._failed_until = now + _TRY_AGAIN_EMPTY_HANDED
        try:
            self._tell(result, stale, flight, now)
        finally:
            flight.done.set_result(None)

    def _tell(self, result: Key | ChatError, stale: bool, flight: _Flight, now: float) -> None:
        about: dict[str, object] = {"source": self.source, "path": self.path}
        if isinstance(result, Key):
            took = round((now - flight.started) * 1000, 1)
            event(logging.INFO, "keys.read", **about, version=result.version, latency_ms=took)
        elif stale:
            age = round(now - self._read_at)
            event(logging.WARNING, "keys.stale", **about, kind=result.kind, age_s=age, error=str(result))

    async def _landed(self, flight: _Flight, seconds: float) -> None:
        """Wait for a read, but no longer than that. A waiter that is cancelled harms nobody."""
        loop = asyncio.get_running_loop()
        woken = asyncio.Event()

        def wake(_: object) -> None:
            with suppress(RuntimeError):  # that loop has ended
                loop.call_soon_threadsafe(woken.set)

        flight.done.add_done_callback(wake)
        with anyio.move_on_after(max(0.0, seconds)):
            await woken.wait()


class _Flight:
    """One read, from its start until it has landed. `refused`: because the API has refused the key."""

    def __init__(self, started: float, refused: bool) -> None:
        self.started = started
        self.refused = refused
        self.failure: ChatError | None = None
        self.done: Future[None] = Future()
