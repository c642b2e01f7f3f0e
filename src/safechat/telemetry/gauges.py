"""How things stand at this moment, whenever the metrics are read.

    safechat.breaker.state            0 closed, 1 half-open, 2 open, by model; the worst of several wrappers
    safechat.queue.waiting            calls that wait in a ChatQueue, all queues together
    safechat.limit.remaining          what the API's last answer left, by kind (requests, tokens) and model
    safechat.key.age                  seconds since the key was read, by source and path

Not here: who shows what (log/gauges.py).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from opentelemetry.metrics import CallbackOptions, Meter, Observation

from safechat.headers import RateLimit, rate_limit
from safechat.log.gauges import readings
from safechat.redact import redacted_name
from safechat.telemetry.conventions import MODEL, Attributes

_KINDS = ("requests", "tokens")
_MOST = 1000  # limits that are kept


class Gauges:
    """The gauges named above. `clock` counts seconds."""

    def __init__(self, meter: Meter, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._keys_read: dict[tuple[str, str], float] = {}
        self._limits: dict[tuple[str, str, object], tuple[RateLimit, float, Attributes]] = {}
        for name, unit, description, observe in (
            ("safechat.breaker.state", "1", "0 closed, 1 half-open, 2 open.", self._circuits),
            ("safechat.queue.waiting", "{call}", "Calls that wait in a queue.", self._queues),
            ("safechat.limit.remaining", "1", "What is left of the API's limit.", self._remaining),
            ("safechat.key.age", "s", "Since the key was read from its source.", self._key_ages),
        ):
            meter.create_observable_gauge(name, [observe], unit, description)

    def answered(self, model: str, headers: Mapping[str, str], server: Attributes) -> None:
        """An answer has come: its headers may say what is left."""
        for kind in _KINDS:
            limit = rate_limit(headers, kind)
            if limit is None or limit.remaining is None:
                continue
            place = (kind, model, server.get("server.address"))
            if place in self._limits or len(self._limits) < _MOST:
                self._limits[place] = limit, self._clock(), {"kind": kind, MODEL: model, **server}

    def note(self, name: str, fields: Mapping[str, Any]) -> None:
        """An event of the log: a key was read, or its source was closed."""
        if name == "keys.read":
            self._keys_read[_place(fields)] = self._clock()
        elif name == "keys.closed":
            self._keys_read.pop(_place(fields), None)

    def _circuits(self, _: CallbackOptions) -> Iterable[Observation]:
        states: dict[str, float] = {}
        for gauge, model, state in readings():
            if gauge == "breaker.state":
                states[model] = max(state, states.get(model, 0))
        return [Observation(state, {MODEL: redacted_name(model)}) for model, state in states.items()]

    def _queues(self, _: CallbackOptions) -> Iterable[Observation]:
        waiting = [value for gauge, _, value in readings() if gauge == "queue.waiting"]
        return [Observation(sum(waiting))] if waiting else []

    def _remaining(self, _: CallbackOptions) -> Iterable[Observation]:
        now = self._clock()
        return [
            Observation(remaining_after(limit, now - seen), attributes)
            for limit, seen, attributes in list(self._limits.values())
        ]

    def _key_ages(self, _: CallbackOptions) -> Iterable[Observation]:
        now = self._clock()
        return [
            Observation(now - read, {"source": source, "path": path})
            for (source, path), read in list(self._keys_read.items())
        ]


def remaining_after(limit: RateLimit, seconds: float) -> float:
    """What is left of a limit so many seconds after the answer: after its reset, all of it."""
    assert limit.remaining is not None
    return limit.limit if limit.reset is not None and seconds >= limit.reset else limit.remaining


def _place(fields: Mapping[str, Any]) -> tuple[str, str]:
    """The source and the path of a key."""
    return redacted_name(str(fields.get("source"))), redacted_name(str(fields.get("path", "")))
