"""Limits that a test's members share, in a Redis."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from safechat import RedisLimits

if TYPE_CHECKING:
    from redis_servers import Server
    from shared_limits import Stored


@pytest.fixture
def shared(redis_server: Server) -> RedisLimits:
    """A name of this test's own in the Redis of all tests."""
    return RedisLimits(redis_server.url, name=f"test-{secrets.token_hex(4)}")


@pytest.fixture
def stored(shared: RedisLimits) -> Iterator[Stored]:
    """What is in Redis under that name."""
    from shared_limits import Stored

    with Stored(shared) as stored:
        yield stored
