"""Gauges: how things stand at this moment, for whoever reads them. Events say what happened.

What has a state that an operator asks for shows itself here, and costs nothing until it is read. Not here:
who reads (telemetry/gauges.py).
"""

from __future__ import annotations

import weakref
from collections.abc import Iterable
from typing import Protocol

from safechat.runtime.process import ProcessLock

Reading = tuple[str, str, float]
"""The gauge, what it is the gauge of (a model, or nothing), and the value."""


class Shown(Protocol):
    """Something with readings. They are read from any thread."""

    def readings(self) -> Iterable[Reading]: ...


_shown: weakref.WeakSet[Shown] = weakref.WeakSet()
_lock = ProcessLock()


def show(thing: Shown) -> None:
    """Its readings are taken from now on, as long as somebody holds it."""
    with _lock:
        _shown.add(thing)


def readings() -> list[Reading]:
    """Those of all that is shown, at this moment."""
    with _lock:
        things = list(_shown)
    return [reading for thing in things for reading in thing.readings()]
