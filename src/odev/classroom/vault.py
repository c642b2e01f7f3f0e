"""The classroom's Vault: a real OpenBao server in dev mode (it speaks Vault's API), on loopback.

It holds the classroom's API key and one role that may read it and nothing else.
All of it is in memory and gone at the end. Not for production, as dev mode never is.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Self

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

    def put_key(self, api_key: str) -> None:
        """A new version of the key, as an operator rotates it."""
        client = _root(self.address, self.root_token)
        client.secrets.kv.v2.create_or_update_secret(KEY_PATH, {KEY_FIELD: api_key})

    def to_dict(self) -> dict[str, str]:
        return asdict(self)

    def is_up(self) -> bool:
        return is_up(self.address)


class VaultServer:
    """The classroom's Vault, which ends with this object, or with this process, however that ends."""

    def __init__(self) -> None:
        self._server = BaoServer()

    def start(self, api_key: str) -> VaultInfo:
        """Start it, and put `api_key` where the role may read it."""
        self._server.start()
        return _furnished(self._server.address, self._server.root_token, api_key)

    def stop(self) -> None:
        self._server.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def _root(address: str, token: str) -> hvac.Client:
    session = requests.Session()
    session.trust_env = False  # past any proxy of the environment
    return hvac.Client(address, token=token, session=session)


def _furnished(address: str, root_token: str, api_key: str) -> VaultInfo:
    """AppRole, the least policy that does, and the key."""
    client = _root(address, root_token)
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
