"""The cache of a key: when its source is read again, and which key is served meanwhile.

`decide` and `after_read` are the rules, as pure functions of the state and the time. `CachedKeys` applies
them for all threads and event loops of a program. Not here: the thread of a read (flight.py), Vault
(vault/keys.py), the environment (env.py), the second request after a 401 (layer.py).
"""

from __future__ import annotations

import copy
import logging
import random as _random
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

from safechat.checks import check_seconds
from safechat.errors import ChatError, KeyUnavailable, VaultSealed, VaultUnreachable
from safechat.keys.flight import Flight
from safechat.keys.source import Key
from safechat.log.events import event
from safechat.redact import redact
from safechat.runtime.process import begin_anew_after_fork

# Fraction of the time to live by which it varies, so that many processes do not read at once.
JITTER = 0.1
# Seconds after its time to live in which a key is still served while its source is down.
LONGEST_STALE = 3600.0
# Seconds that a call waits for a read when it has a stale key to use instead.
PATIENCE = 1.0
# Seconds until the next read after a failed one, when there is a key to serve meanwhile.
RETRY_WITH_KEY = 10.0
# Seconds until the next read when there is none. Until then every call gets the same error.
RETRY_WITHOUT_KEY = 1.0
# Threads that may read at the same time: a source that never answers keeps each of them.
MOST_READERS = 3

Decision = Literal["fresh", "stale", "refused", "none", "failed"]


@dataclass(frozen=True, slots=True)
class CacheState:
    """What the cache knows between two reads. All times are seconds on one clock."""

    key: Key | None = None  # the key in hand
    read_at: float = 0.0
    fresh_until: float = 0.0  # until then it is served without a read
    stale_until: float = 0.0  # until then it may be served while its source is down
    refresh_from: float = 0.0  # after a refusal: until then the source is not read again
    failure: ChatError | None = None  # of the last read, where that took the key away
    failed_until: float = 0.0  # until then every call gets `failure`


def decide(state: CacheState, now: float, not_version: int | None = None) -> Decision:
    """What a call gets that asks for the key now. `not_version` is one that the API has refused.

    With a key in hand, before `stale_until`:

    refused  its version is `not_version`: the source is read again, and the call waits for that
    fresh    now is before `fresh_until`, or it is `not_version` and now is before `refresh_from`: the key in
             hand, at once; nothing is read
    stale    any other: the source is read again; the key in hand if that takes longer than PATIENCE

    Without one: `decide_without_key`.
    """
    if state.key is None or now >= state.stale_until:
        return decide_without_key(state, now)
    if state.key.version == not_version:
        return "fresh" if now < state.refresh_from else "refused"
    return "fresh" if now < state.fresh_until else "stale"


def decide_without_key(state: CacheState, now: float) -> Decision:
    """What a call gets when there is no key in hand that may be used.

    failed   there is a `failure`, and now is before `failed_until`: that error; nothing is read
    none     any other: the source is read, and the call waits for that
    """
    return "failed" if state.failure is not None and now < state.failed_until else "none"


def after_read(state: CacheState, result: Key | ChatError, now: float, ttl: float) -> CacheState:
    """The state after a read that ended now with `result`. `ttl` is in seconds, with its jitter.

    A source that is down or sealed leaves the key in hand as it is, for LONGEST_STALE at most. A source
    that answers with a denial takes it away.
    """
    if isinstance(result, Key):
        fresh_until = now + ttl
        return replace(
            state,
            key=result,
            read_at=now,
            fresh_until=fresh_until,
            stale_until=fresh_until + LONGEST_STALE,
            failure=None,
        )
    is_down = isinstance(result, VaultUnreachable | VaultSealed)
    if is_down and state.key is not None and now < state.stale_until:
        return replace(state, fresh_until=now + min(RETRY_WITH_KEY, ttl))
    return replace(state, key=None, failure=result, failed_until=now + RETRY_WITHOUT_KEY)


class CachedKeys(ABC):
    """A source that is slow to read, behind a cache. For all threads and event loops of a program.

    A key is read again after `ttl` seconds, give or take a tenth; at once when the
    API has refused it, and then not again for `refresh_interval` seconds. A read
    takes `longest_read` seconds at most. `clock` counts seconds.
    """

    source = "?"  # The name of the source, for logs and metrics.
    path = ""  # The place of the key in that source, for logs and metrics.

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
        self._state = CacheState()
        self.begin()
        begin_anew_after_fork(self)

    def begin(self) -> None:
        """Start without a read under way. Also called in the child of a fork, which has no such thread."""
        self._lock = threading.Lock()
        self._flight: Flight | None = None
        self._readers = 0

    @abstractmethod
    def _read(self) -> Key:
        """The key, from its source. Blocks. Raises KeyUnavailable."""

    def _abandon_read(self) -> None:  # noqa: B027 - most sources have nothing to do then
        """A read took too long. Its thread may go on; the next read is in another thread."""

    async def get(self, not_version: int | None = None) -> Key:
        """The key in hand while it is fresh; else a new one, in one read for all who ask meanwhile.

        With the version of a key that was refused: another, if the source has one.
        Raises KeyUnavailable, of the kind that says what is wrong.
        """
        while True:
            key, flight = self._key_and_flight(not_version)
            if flight is None:
                assert key is not None
                return key
            patience = self._longest_read if key is None else PATIENCE
            await flight.wait(flight.started + patience - self._clock())
            if not flight.done and key is not None:
                return key
            if not flight.done:
                limit = f"{self.source}: no whole answer within {self._longest_read:g} s"
                self._finish(flight, VaultUnreachable(limit))
            if flight.failure is not None:
                raise copy.copy(flight.failure)
            if flight.refused:
                not_version = None  # the source has no newer key than the one that was read just now

    def _key_and_flight(self, not_version: int | None) -> tuple[Key | None, Flight | None]:
        """The key to serve at once; or a read to wait for, with the key to serve if that takes long."""
        with self._lock:
            now, state = self._clock(), self._state
            decision = decide(state, now, not_version)
            if decision == "fresh":
                return state.key, None
            if decision == "failed":
                assert state.failure is not None
                raise copy.copy(state.failure)
            in_hand = state.key if decision in ("stale", "refused") else None
            if self._flight is None or now - self._flight.started > self._longest_read:
                problem = self._start(now, refused=decision == "refused")
                if problem and in_hand is not None:
                    return in_hand, None
                if problem:
                    raise KeyUnavailable(f"{self.source}: it cannot be read: {problem}")
            return (in_hand if decision == "stale" else None), self._flight

    def _start(self, now: float, *, refused: bool) -> str:
        """Start a read. Returns "" or, where none can be started, the reason."""
        if self._flight is not None:
            self._abandon_read()
        if self._readers >= MOST_READERS:
            return f"{self._readers} reads hang"
        flight = Flight(now, refused=refused)
        try:
            flight.start(self._work)
        except RuntimeError as error:
            return str(error)
        self._flight = flight
        self._readers += 1
        return ""

    def _work(self, flight: Flight) -> None:
        """The work of a read's thread."""
        try:
            result: Key | ChatError = self._read()
        except ChatError as error:
            result = error.with_traceback(None)
        except BaseException as exception:  # also a SystemExit: nobody else would end the read
            text = redact(f"{self.source}: unexpected {type(exception).__name__}: {exception}")
            result = KeyUnavailable(text)
        with self._lock:
            self._readers -= 1
        self._finish(flight, result)

    def _finish(self, flight: Flight, result: Key | ChatError) -> None:
        """End a read with its result, unless it has ended already."""
        with self._lock:
            if self._flight is not flight:
                return
            self._flight = None
            now = self._clock()
            ttl = self._ttl * (1 + JITTER * (2 * self._random() - 1))
            self._state = state = after_read(self._state, result, now, ttl)
            if flight.refused:
                self._state = replace(state, refresh_from=now + self._refresh_interval)
        try:
            self._log(result, state, now - flight.started, now)
        finally:
            flight.end(state.failure if state.key is None else None)

    def _log(self, result: Key | ChatError, state: CacheState, seconds: float, now: float) -> None:
        """Write `keys.read` for a new key, `keys.stale` for one that is served after its time, `keys.failed`
        where there is none to serve."""
        place: dict[str, object] = {"source": self.source, "path": self.path}
        if isinstance(result, Key):
            latency = round(seconds * 1000, 1)
            event(logging.INFO, "keys.read", **place, version=result.version, latency_ms=latency)
        elif state.key is not None:
            age = round(now - state.read_at)
            event(logging.WARNING, "keys.stale", **place, kind=result.kind, age_s=age, error=str(result))
        else:
            event(logging.ERROR, "keys.failed", **place, kind=result.kind, error=str(result))
