"""The classroom's Vault: a real OpenBao server in dev mode (it speaks Vault's API), on loopback.

It holds the classroom's API key, and one role that may read that key and nothing else.
All data is in memory and gone at the end; dev mode is never for production. Not here:
the server's process (bao.py).
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

import hvac
import requests

from odev.classroom.bao import BaoServer, is_up

KEY_PATH = "safechat/openai"
KEY_FIELD = "api_key"
ROLE = "safechat"

POLICY = f"""
path "secret/data/{KEY_PATH}" {{
  capabilities = ["read"]
}}
"""


@dataclass(frozen=True, slots=True)
class VaultInfo:
    """The Vault's address and credentials. The root token is for the classroom only, never for students."""

    address: str
    role_id: str
    secret_id: str
    root_token: str

    def environment(self) -> dict[str, str]:
        """The variables with which a program logs in as the role and reads the key."""
        return {
            "VAULT_ADDR": self.address,
            "VAULT_ROLE_ID": self.role_id,
            "VAULT_SECRET_ID": self.secret_id,
            "SAFECHAT_KEY_PATH": KEY_PATH,
            "SAFECHAT_KEY_FIELD": KEY_FIELD,
        }

    def put_key(self, api_key: str) -> None:
        """Write a new version of the key, as an operator does to rotate it."""
        client = _root_client(self.address, self.root_token)
        client.secrets.kv.v2.create_or_update_secret(KEY_PATH, {KEY_FIELD: api_key})

    def to_dict(self) -> dict[str, str]:
        return asdict(self)

    def is_up(self) -> bool:
        return is_up(self.address, self.root_token)


class VaultServer:
    """The classroom's Vault. It runs until `stop`, and never longer than this process."""

    def __init__(self) -> None:
        self._server = BaoServer()

    def start(self, api_key: str) -> VaultInfo:
        """Start it, with `api_key` where the role may read it."""
        self._server.start()
        return set_up(self._server.address, self._server.root_token, api_key)

    def audit(self) -> list[dict[str, Any]]:
        """What the server has written of each answer, the oldest first, as OpenBao's audit describes it:
        `request`, `auth`, `error`. Secrets in it are hashes."""
        text = self._server.audit_file.read_text(encoding="utf-8")
        entries = [json.loads(line) for line in text.splitlines()]
        return [entry for entry in entries if entry["type"] == "response"]

    def stop(self) -> None:
        self._server.stop()


def _root_client(address: str, token: str) -> hvac.Client:
    session = requests.Session()
    session.trust_env = False  # no proxy from the environment
    return hvac.Client(address, token=token, session=session)


def set_up(address: str, root_token: str, api_key: str) -> VaultInfo:
    """Enable AppRole, create the role with its small policy, and write the key. A server that has them
    already gets a new secret_id and a new version of the key."""
    client = _root_client(address, root_token)
    if "approle/" not in client.sys.list_auth_methods()["data"]:
        client.sys.enable_auth_method("approle")
    client.sys.create_or_update_policy(ROLE, POLICY)
    client.auth.approle.create_or_update_approle(
        ROLE, token_policies=[ROLE], token_ttl="20m", token_max_ttl="1h", secret_id_ttl="24h"
    )
    role_id = client.auth.approle.read_role_id(ROLE)["data"]["role_id"]
    secret_id = client.auth.approle.generate_secret_id(ROLE)["data"]["secret_id"]
    info = VaultInfo(address, role_id, secret_id, root_token)
    info.put_key(api_key)
    return info
