"""Book: what is spent in a day, by this process.

Not here: what processes have spent together (shared.py), what a request costs (budget.py).
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import date
from typing import Protocol

from safechat.log.events import event
from safechat.runtime.process import ProcessLock

_NEARLY = 0.8  # of a day's budget; from there on it is logged, once a day


class AnyBook(Protocol):
    """What holds the spending of a day, in US dollars."""

    def spent(self, today: date) -> float:
        """Of that day, as far as it is known, with what is reserved."""

    async def enter(self, today: date, usd: float, limit: float | None) -> Entry | None:
        """Reserve so much; None, and nothing is reserved, where it is more than the limit has left."""

    def settle(self, entry: Entry, usd: float) -> None:
        """The entry has cost `usd` in the end. One of another day changes nothing today."""


@dataclass(frozen=True, slots=True)
class Entry:
    """What is reserved in a book, for a day."""

    book: AnyBook
    day: date
    usd: float
    limit: float | None

    def settle(self, usd: float) -> None:
        """It has cost `usd` in the end."""
        self.book.settle(self, usd)


class Book:
    """For any number of threads."""

    def __init__(self) -> None:
        self._lock = ProcessLock()
        self._day = date.min
        self._spent = 0.0
        self._alarm = Alarm()

    def spent(self, today: date) -> float:
        """US dollars of that day, with what is reserved."""
        with self._lock:
            return self._spent if self._day == today else 0.0

    async def enter(self, today: date, usd: float, limit: float | None) -> Entry | None:
        """As of any book."""
        with self._lock:
            if self._day != today:
                self._day, self._spent = today, 0.0
            if limit is not None and self._spent + usd > limit:
                return None
            self._spent += usd
        return Entry(self, today, usd, limit)

    def settle(self, entry: Entry, usd: float) -> None:
        """As of any book."""
        with self._lock:
            if self._day == entry.day:
                self._spent += usd - entry.usd
        self._alarm.look(entry.day, self.spent(entry.day), entry.limit)


class Alarm:
    """Logs once a day that the budget is nearly spent."""

    def __init__(self) -> None:
        self._day = date.min

    def look(self, today: date, spent: float, limit: float | None) -> None:
        if limit is not None and spent >= _NEARLY * limit and self._day < today:
            self._day = today
            event(logging.WARNING, "budget.nearly_spent", spent_usd=round(spent, 4), usd_per_day=limit)
