"""Vault's API, as VaultKeys needs it, through hvac.

Every method blocks, and raises KeyUnavailable of some kind, whose text holds no
secret. Not here: when to ask (vault_login.py), what exceptions mean (vault_errors.py).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import hvac
import requests
from hvac import exceptions

from safechat.errors import KeyUnavailable, SecretNotFound, VaultAuthFailed, VaultSealed, VaultUnreachable
from safechat.keys.vault.errors import Meanings, not_vault, translated
from safechat.redact import is_key_shaped, remember

Secret = tuple[dict[str, object], int]  # what it holds, and its version

_SPENT = dict.fromkeys(
    (exceptions.InvalidRequest, exceptions.Forbidden, exceptions.InvalidPath),
    (
        VaultAuthFailed,
        "the wrapped secret_id was used before, or is too old: someone else may have opened it",
    ),
)


class Vault:
    """A Vault server. `timeout` is (to connect, between two bytes), in seconds."""

    def __init__(
        self, url: str, namespace: str | None, ca: str | Path | None, timeout: tuple[float, float]
    ) -> None:
        self._url = url
        self._timeout = timeout
        self._session = requests.Session()
        self._session.trust_env = False  # no proxy and no .netrc between us and Vault
        self._session.verify = True if ca is None else str(ca)
        self._client = self._new_client(namespace)

    def health(self) -> Mapping[str, Any]:
        """Vault's own words about itself: `sealed`, `initialized`, `version`. Needs no login."""
        codes = dict.fromkeys(("sealed_code", "uninit_code", "standby_code", "performance_standby_code"), 200)
        system = self._new_client(None).sys  # a namespace has no health of its own
        return self._ask("health", lambda: system.read_health_status(method="GET", **codes))

    def check_seal(self) -> None:
        """Raises VaultSealed."""
        health = self.health()
        if not health.get("initialized", True):
            raise VaultSealed(f"Vault at {self._url} was never initialized")
        if health.get("sealed"):
            raise VaultSealed(f"Vault at {self._url} is sealed")

    def log_in(self, mount: str, role_id: str, secret_id: str) -> float:
        """A new token is in use; the answer is its lease in seconds."""
        answer = self._ask(
            f"login at auth/{mount}",
            lambda: self._client.auth.approle.login(role_id, secret_id, use_token=False, mount_point=mount),
            {
                exceptions.InvalidPath: (VaultAuthFailed, "there is no auth method"),
                exceptions.InvalidRequest: (
                    VaultAuthFailed,
                    "the role_id or the secret_id is wrong, or used up",
                ),
                exceptions.Forbidden: (
                    VaultAuthFailed,
                    "denied: wrong mount or address range, or locked out",
                ),
            },
        )
        auth = answer.get("auth")
        if not isinstance(auth, Mapping) or not auth.get("client_token"):
            raise VaultUnreachable(f"Vault at {self._url}: what answers a login there is not Vault")
        self.use(str(auth["client_token"]))
        return float(auth.get("lease_duration") or "inf")

    def renew(self) -> float:
        """The token in use lives on; its new lease in seconds."""
        answer = self._ask("renewal", self._client.auth.token.renew_self)
        return float((answer.get("auth") or {}).get("lease_duration") or 0)

    def unwrap_secret_id(self, wrapped: str, mount: str) -> str:
        """The secret_id in a wrapping token, which is used up by that. It must have been made for a role
        of this auth method: a token made elsewhere may be somebody's trap, and is left alone."""
        self.check_wrapped(wrapped, mount)
        self._client.token = wrapped  # it opens itself: there is no login yet
        try:
            answer = self._ask("unwrap", self._client.sys.unwrap, _SPENT)
        finally:
            self._client.token = ""
        return str(answer["data"]["secret_id"])

    def check_wrapped(self, wrapped: str, mount: str) -> None:
        """Raises VaultAuthFailed for a wrapping token that is spent, or was made elsewhere."""
        token = {"token": wrapped}
        told = self._ask(
            "unwrap", lambda: self._client.adapter.post("/v1/sys/wrapping/lookup", json=token), _SPENT
        )
        made_at = str((told.get("data") or {}).get("creation_path"))
        if not (made_at.startswith(f"auth/{mount}/role/") and made_at.endswith("/secret-id")):
            raise VaultAuthFailed(
                f"the wrapped secret_id was made at {made_at}, not at auth/{mount}/role/…/secret-id: "
                "it may have been exchanged on its way; it was not unwrapped"
            )

    @property
    def has_token(self) -> bool:
        return bool(self._client.token)

    def use(self, token: str) -> None:
        """From now on requests are made with `token`."""
        if not is_key_shaped(token):  # what is has no need of it, and there are many
            remember(token)
        self._client.token = token

    def read(self, mount: str, path: str) -> Secret:
        """The newest version of a secret, and its number."""
        answer = self._ask(
            f"read of {mount}/data/{path}",
            lambda: self._client.secrets.kv.v2.read_secret_version(
                path, mount_point=mount, raise_on_deleted_version=True
            ),
            {
                exceptions.Forbidden: (
                    VaultAuthFailed,
                    "denied: the token must be alive, and its policy allow to read that path",
                ),
                exceptions.InvalidPath: (
                    SecretNotFound,
                    "there is nothing, or it was deleted; is the mount a KV engine of version 2?",
                ),
            },
        )
        try:
            data, version = answer["data"]["data"], answer["data"]["metadata"]["version"]
        except (KeyError, TypeError):
            data = version = None
        if not isinstance(data, dict) or not isinstance(version, int):
            raise SecretNotFound(f"Vault's {mount}/{path} is no secret of a KV engine of version 2")
        return data, version

    def revoke(self) -> None:
        """Give the token back."""
        if self._client.token:
            self._ask("revoke", self._client.auth.token.revoke_self)
            self._client.token = ""

    def close(self) -> None:
        self._session.close()

    def _new_client(self, namespace: str | None) -> Any:
        # With token=None hvac would use VAULT_TOKEN or ~/.vault-token, whoever's they are; and a
        # redirect would carry the token to wherever it leads.
        return hvac.Client(
            self._url,
            token="",
            timeout=self._timeout,
            session=self._session,
            namespace=namespace,
            allow_redirects=False,
        )

    def _ask(
        self,
        what: str,
        function: Callable[[], Any],
        meanings: Meanings | None = None,
    ) -> Mapping[str, Any]:
        """The JSON that Vault answers with. `meanings` says what an exception means here."""
        where = f"Vault at {self._url}"
        failure: KeyUnavailable
        try:
            answer = function()
        except Exception as exception:
            failure = translated(exception, f"{where}: {what}", self._timeout, meanings or {})
        else:
            if isinstance(answer, Mapping):
                return answer
            if getattr(answer, "status_code", None) == 204:
                return {}
            failure = VaultUnreachable(f"{where}: {what}: {not_vault(answer)}")
        # Outside the except block: the exception of requests holds the token, on __context__ too.
        raise failure.with_traceback(None)
