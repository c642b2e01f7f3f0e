"""A source of keys for each test, on a clock of its own."""

from __future__ import annotations

import pytest

from key_sources import Clock, Source


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def keys(clock: Clock) -> Source:
    return Source(clock)
