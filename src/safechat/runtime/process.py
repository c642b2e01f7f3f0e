"""What holds threads or locks, and must begin anew in the child of a fork."""

from __future__ import annotations

import os
import weakref
from typing import Protocol


class Forked(Protocol):
    def begin(self) -> None:
        """Forget the parent's threads; its locks may be held for ever."""


_all: weakref.WeakSet[Forked] = weakref.WeakSet()


def begin_again_after_fork(each: Forked) -> None:
    """From now on `each.begin()` is called in the child of every fork."""
    _all.add(each)


def _after_fork() -> None:
    for each in _all:
        each.begin()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
