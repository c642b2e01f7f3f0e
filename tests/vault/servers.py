"""Real Vault servers for tests, in three ways: --vault=embedded, --vault=container, --vault=URL.

The first two are started and stopped here; a URL is of one that runs already, with
its root token in VAULT_TOKEN, and no test may pause, seal or kill it.
"""

from __future__ import annotations

import http.client
import itertools
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any, Protocol
from urllib.parse import urlsplit

import hvac
import psutil

from odev.classroom.bao import BaoServer
from safechat import AppRole, VaultKeys

API_KEY = "sk-proj-first0000000000000000"
POLICY = Path(__file__).with_name("policy.hcl")


class Server(Protocol):
    """A Vault in dev mode."""

    address: str
    root_token: str
    ca: Path | None

    def pause(self) -> None: ...
    def resume(self) -> None: ...
    def kill(self) -> None: ...
    def stop(self) -> None: ...


class EmbeddedServer:
    """The `bao` binary, as the classroom starts it."""

    def __init__(self, *, tls: bool = False) -> None:
        self._server = BaoServer()
        self._server.start(tls=tls)
        self.address, self.root_token, self.ca = (
            self._server.address,
            self._server.root_token,
            self._server.ca,
        )

    def pause(self) -> None:
        """Freeze it: connections are accepted and get no answer."""
        self._process().suspend()

    def resume(self) -> None:
        self._process().resume()

    def kill(self) -> None:
        """SIGKILL."""
        process = self._process()
        process.kill()
        process.wait(10)

    def stop(self) -> None:
        with suppress(psutil.NoSuchProcess):  # one that was killed
            self.resume()  # one that was left paused would not end
        self._server.stop()

    def _process(self) -> psutil.Process:
        for process in psutil.Process(self._server.pid).children():
            return process
        raise psutil.NoSuchProcess(self._server.pid)


class GivenServer:
    """One that runs already."""

    ca: Path | None = None

    def __init__(self, address: str, root_token: str) -> None:
        self.address, self.root_token = address, root_token

    def pause(self) -> None:
        raise NotImplementedError("a Vault that was given is left as it is")

    resume = kill = pause

    def stop(self) -> None:
        """It stays."""


@dataclass
class Secret:
    """A secret of a test's own, and a role that may read it and nothing else."""

    server: Server
    name: str
    path: str
    role_id: str
    secret_id: str
    root: Any = field(repr=False)

    def keys(self, address: str | None = None, **options: Any) -> VaultKeys:
        options = {"path": self.path, "auth": AppRole(self.role_id, self.secret_id), **options}
        return VaultKeys(address or self.server.address, ca=self.server.ca, **options)

    def put(self, **data: object) -> None:
        """A new version."""
        self.root.secrets.kv.v2.create_or_update_secret(self.path, data)

    def new_secret_id(self, **options: Any) -> Any:
        return self.root.auth.approle.generate_secret_id(self.name, **options)


_numbers = itertools.count(1)


def root_client(server: Server) -> Any:
    return hvac.Client(server.address, token=server.root_token, verify=str(server.ca) if server.ca else True)


def furnish(
    server: Server, *, ttl: str = "20m", may_read: str | None = None, root: Any = None, **role: Any
) -> Secret:
    """A secret with a key in it and a role for it, by the policy of policy.hcl."""
    root = root or root_client(server)
    if "approle/" not in root.sys.list_auth_methods():
        root.sys.enable_auth_method("approle")
    name = f"test-{next(_numbers)}-{secrets.token_hex(3)}"
    path = f"{name}/openai"
    policy = POLICY.read_text(encoding="utf-8").replace("safechat/openai", may_read or path)
    root.sys.create_or_update_policy(name, policy)
    root.auth.approle.create_or_update_approle(name, token_policies=[name], token_ttl=ttl, **role)
    secret = Secret(
        server,
        name,
        path,
        root.auth.approle.read_role_id(name)["data"]["role_id"],
        root.auth.approle.generate_secret_id(name)["data"]["secret_id"],
        root,
    )
    secret.put(api_key=API_KEY)
    return secret


@dataclass
class Front:
    """A proxy in front of a Vault: what came, and what is answered in Vault's place."""

    address: str = ""
    seen: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)
    instead: tuple[int, dict[str, str], bytes] | None = None
    delay: float = 0.0  # seconds before each answer

    def count(self, part: str) -> int:
        return sum(part in path for _, path, _ in self.seen)


@contextmanager
def front(server: Server) -> Iterator[Front]:
    """Requests to `Front.address` go to the server, and are written down."""
    between = Front()
    target = urlsplit(server.address)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_one_request(self) -> None:
            self.close_connection = True
            super().handle_one_request()

        def _pass_on(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            between.seen.append((self.command, self.path, {k.lower(): v for k, v in self.headers.items()}))
            time.sleep(between.delay)
            if between.instead is not None:
                self._answer(*between.instead)
                return
            upstream = http.client.HTTPConnection(str(target.hostname), target.port or 80, timeout=10)
            try:
                upstream.request(self.command, self.path, body, dict(self.headers.items()))
                answer = upstream.getresponse()
                content = answer.read()
            except OSError:
                self._answer(502, {}, b"no Vault")
                return
            finally:
                upstream.close()
            self._answer(answer.status, {"content-type": answer.headers.get("content-type", "")}, content)

        def _answer(self, status: int, headers: dict[str, str], body: bytes) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = do_PUT = do_LIST = _pass_on  # noqa: N815 - http.server's names

        def log_message(self, format: str, *args: object) -> None:
            """Not to stderr."""

    class HTTPServer(ThreadingHTTPServer):
        request_queue_size = 256

    proxy = HTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=proxy.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    between.address = f"http://127.0.0.1:{proxy.server_port}"
    try:
        yield between
    finally:
        proxy.shutdown()
        proxy.server_close()
        thread.join()
