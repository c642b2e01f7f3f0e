"""RedisServer: the Redis that processes share, asked by scripts, and never waited for long.

Not here: what is asked (group.py, budget/shared.py).
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from safechat.runtime import clock

if TYPE_CHECKING:
    from redis.asyncio import Redis

Word = str | int | float  # of a command

PATIENCE = 0.25  # seconds that Redis may take for an answer


class Script:
    """A script of Lua. Redis knows it by its hash."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.sha = hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()


class RedisServer:
    """The Redis of a URL, or the node of its cluster that has the keys. For one event loop."""

    def __init__(self, url: str) -> None:
        from redis.exceptions import MovedError, NoScriptError

        self._moved, self._no_script = MovedError, NoScriptError
        self._url = url
        self._clients: list[Redis] = []  # the last one is in use
        self._connect()

    async def run(self, script: Script, keys: Sequence[str], *words: Word) -> Any:
        """What the script answers. Raises what redis-py does, and TimeoutError when Redis takes too long."""
        step = asyncio.ensure_future(self._step(script, keys, words))
        began = clock.now()
        try:
            await asyncio.wait([step], timeout=PATIENCE)
            if clock.now() - began > 1.5 * PATIENCE:  # this process stood still: the answer may be there
                await asyncio.wait([step], timeout=PATIENCE)
            if not step.done():
                raise TimeoutError
            return step.result()
        finally:
            step.cancel()

    async def begin_anew(self) -> None:
        """Go to the URL's server again, by new connections. The old ones may lead to a node of a cluster that
        is gone, or to a server that answers and takes no writes since another one has its place."""
        old, self._clients = self._clients, []
        self._connect()
        await _close(old)

    async def aclose(self) -> None:
        """Close the connections."""
        await _close(self._clients)

    def _connect(self, **elsewhere: str | int) -> None:
        """Go to the URL's server, or with its `host` and `port` to another one."""
        from redis.asyncio import Redis
        from redis.asyncio.retry import Retry
        from redis.backoff import NoBackoff

        # A connection that the server has closed is made anew, once and at once.
        client = Redis.from_url(self._url, decode_responses=True, retry=Retry(NoBackoff(), 1))
        client.connection_pool.connection_kwargs.update(elsewhere)
        self._clients.append(client)

    async def _step(self, script: Script, keys: Sequence[str], words: Sequence[Word]) -> Any:
        try:
            return await self._clients[-1].evalsha(script.sha, len(keys), *keys, *words)
        except self._no_script:
            return await self._clients[-1].eval(script.text, len(keys), *keys, *words)
        except self._moved as moved:  # the node of a cluster that has all our keys is another one
            self._connect(port=moved.port, **({"host": moved.host} if moved.host else {}))
            return await self._step(script, keys, words)


async def _close(clients: Sequence[Redis]) -> None:
    for client in clients:
        with suppress(Exception):
            async with asyncio.timeout(PATIENCE):
                await client.aclose()


def reason_of(error: Exception) -> str:
    """Why Redis did not answer, for the log."""
    if isinstance(error, TimeoutError):
        return f"no answer in {PATIENCE:g} s"
    return f"{type(error).__name__}: {error}"
