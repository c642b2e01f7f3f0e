"""What a process does for those who hold threads, locks or files: begin anew after a fork, end at exit.

The only place with hooks of the operating system's process, and with its signals. The sets hold weak
references. Not here: what each of them begins and ends, open files (files.py).
"""

from __future__ import annotations

import atexit
import os
import signal
import sys
import threading
import weakref
from collections.abc import Iterator
from concurrent.futures import Future, wait
from contextlib import contextmanager
from typing import Protocol, TypeVar

T = TypeVar("T")


class BeginsAnew(Protocol):
    def begin(self) -> None:
        """Forget the parent's threads; its locks may be held for ever."""


class Stops(Protocol):
    def stop(self) -> None:
        """End what runs in the background. Stopping twice is no error."""


# A priority of multiprocessing's finalizers, after all others.
_LAST = -1_000_000

_begin_anew: weakref.WeakSet[BeginsAnew] = weakref.WeakSet()
_stop_first: weakref.WeakSet[Stops] = weakref.WeakSet()
_stop_last: weakref.WeakSet[Stops] = weakref.WeakSet()


_held_at_fork: weakref.WeakSet[LockHeldAtFork] = weakref.WeakSet()
_held: list[LockHeldAtFork] = []
_forking = threading.Lock()  # two threads that fork at once do not wait for each other's locks


def begin_anew_after_fork(thing: BeginsAnew) -> None:
    """From now on `thing.begin()` is called in the child of every fork."""
    _begin_anew.add(thing)


def stop_at_exit(thing: Stops, *, last: bool = False) -> None:
    """`thing.stop()` is called when the program ends; with `last`, after those that may still use it."""
    (_stop_last if last else _stop_first).add(thing)


def forget(thing: object) -> None:
    """Nothing is called on `thing` any more."""
    for things in (_begin_anew, _stop_first, _stop_last):
        things.discard(thing)  # type: ignore[arg-type]


@contextmanager
def sigterm_interrupts() -> Iterator[None]:
    """Within the block SIGTERM, by which containers and services are stopped, is a KeyboardInterrupt, too.
    For the main thread."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


class ProcessLock:
    """A lock for `with`. The child of a fork has it free, whichever thread of the parent held it."""

    def __init__(self) -> None:
        self.begin()
        begin_anew_after_fork(self)

    def begin(self) -> None:
        self._lock = threading.Lock()

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(self, *_: object) -> None:
        self._lock.release()


class LockHeldAtFork:
    """A lock for `with`. A fork waits until it is free, so that what it guards is whole in the child."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        _held_at_fork.add(self)

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(self, *_: object) -> None:
        self._lock.release()


if sys.platform == "win32":
    _STEP = 0.1  # seconds until Ctrl-C is seen, at the latest

    def result_of(future: Future[T]) -> T:
        while not wait([future], _STEP).done:
            pass  # Ctrl-C is raised between two waits; there it ends no wait for a lock
        return future.result()

else:

    def result_of(future: Future[T]) -> T:
        """`future.result()`, and Ctrl-C ends it."""
        return future.result()


def _before_fork() -> None:
    _forking.acquire()
    for lock in list(_held_at_fork):
        lock.__enter__()
        _held.append(lock)


def _release() -> None:
    while _held:
        _held.pop().__exit__()
    _forking.release()


def _after_fork() -> None:
    _release()
    for thing in list(_begin_anew):
        thing.begin()
    _stop_with_multiprocessing()


def _at_exit() -> None:
    for things in (_stop_first, _stop_last):
        for thing in list(things):
            thing.stop()


def _stop_with_multiprocessing() -> None:
    """A child of multiprocessing ends with os._exit: it runs multiprocessing's finalizers, and no atexit.

    It forgets its parent's finalizers first. So one is registered now, and again after that.
    """
    if (util := sys.modules.get("multiprocessing.util")) is None:
        return

    def finalize(_: object = None) -> None:
        util.Finalize(None, _at_exit, exitpriority=_LAST)

    util.register_after_fork(_at_exit, finalize)
    finalize()


atexit.register(_at_exit)
_stop_with_multiprocessing()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=_release, after_in_child=_after_fork)
