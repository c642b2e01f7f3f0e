"""Vault's API, as VaultKeys needs it, through hvac.

Every method blocks, and raises KeyUnavailable of some kind, whose text holds no
secret. Not here: the login (login.py), what an exception of hvac means (errors.py).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import hvac
import requests
from hvac import exceptions

from safechat.errors import KeyUnavailable, SecretNotFound, VaultAuthFailed, VaultSealed, VaultUnreachable
from safechat.keys.vault.errors import Meanings, not_vault, refuse_unserved, translated
from safechat.redact import is_key_shaped, remember

Secret = tuple[dict[str, object], int]  # the fields and the version

_SPENT = dict.fromkeys(
    (exceptions.InvalidRequest, exceptions.Forbidden, exceptions.InvalidPath),
    (
        VaultAuthFailed,
        "the wrapped secret_id was used before, or is too old: someone else may have opened it",
    ),
)


# Seconds before each further try after a 412: the server has not yet seen what another one wrote. A standby
# is up to date within a second.
_INDEX_WAITS = (0.05, 0.2, 0.5)


class Vault:
    """A Vault server; `client` is hvac's for it. `timeout` is (to connect, between two bytes), in seconds."""

    def __init__(
        self, url: str, namespace: str | None, ca: str | Path | None, timeout: tuple[float, float]
    ) -> None:
        self._url = url
        self._timeout = timeout
        self._session = requests.Session()
        self._session.hooks["response"].append(refuse_unserved)
        self._session.trust_env = False  # no proxy and no .netrc between us and Vault
        self._session.verify = True if ca is None else str(ca)
        self.client = self._new_client(namespace)

    def ask(
        self,
        what: str,
        function: Callable[[], Any],
        meanings: Meanings | None = None,
    ) -> Mapping[str, Any]:
        """The JSON of Vault's answer to `function`, which makes one request through `client`.

        Raises KeyUnavailable of the kind that the exception of hvac means: VaultSealed, VaultUnreachable,
        for a denial VaultAuthFailed, for a path that is not there SecretNotFound. `meanings` wins over that,
        a table like {exceptions.InvalidPath: (VaultAuthFailed, "why, in words")}. `what` names the request
        in the error's text.
        """
        where = f"Vault at {self._url}"
        failure: KeyUnavailable
        try:
            answer = _when_up_to_date(function)
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

    def health(self) -> Mapping[str, Any]:
        """What Vault reports about itself: `sealed`, `initialized`, `version`. Needs no login."""
        codes = dict.fromkeys(("sealed_code", "uninit_code", "standby_code", "performance_standby_code"), 200)
        system = self._new_client(None).sys  # only the server has a health, not a namespace
        return self.ask("health", lambda: system.read_health_status(method="GET", **codes))

    def check_seal(self) -> None:
        """Raises VaultSealed."""
        health = self.health()
        if not health.get("initialized", True):
            raise VaultSealed(f"Vault at {self._url} was never initialized")
        if health.get("sealed"):
            raise VaultSealed(f"Vault at {self._url} is sealed")

    def renew(self) -> float:
        """Renew the token in use. Returns its new lease in seconds."""
        answer = self.ask("renewal", self.client.auth.token.renew_self)
        return float((answer.get("auth") or {}).get("lease_duration") or 0)

    def unwrap_secret_id(self, wrapped: str, mount: str) -> str:
        """The secret_id in a wrapping token, which is used up by that. A token that was not created for a
        role of this auth method may be an attacker's: it is not unwrapped, and VaultAuthFailed is raised."""
        self.check_wrapped(wrapped, mount)
        self.client.token = wrapped  # a wrapping token is its own login
        try:
            answer = self.ask("unwrap", self.client.sys.unwrap, _SPENT)
        finally:
            self.client.token = ""
        return str(answer["data"]["secret_id"])

    def check_wrapped(self, wrapped: str, mount: str) -> None:
        """Raises VaultAuthFailed for a wrapping token that is spent, or was created elsewhere."""
        token = {"token": wrapped}
        answer = self.ask(
            "unwrap", lambda: self.client.adapter.post("/v1/sys/wrapping/lookup", json=token), _SPENT
        )
        creation_path = str((answer.get("data") or {}).get("creation_path"))
        if not (creation_path.startswith(f"auth/{mount}/role/") and creation_path.endswith("/secret-id")):
            raise VaultAuthFailed(
                f"the wrapped secret_id was created at {creation_path}, not at "
                f"auth/{mount}/role/…/secret-id: it may have been exchanged on its way; it was not unwrapped"
            )

    @property
    def has_token(self) -> bool:
        return bool(self.client.token)

    def use(self, token: str) -> None:
        """From now on requests are made with `token`."""
        if not is_key_shaped(token):  # `redact` takes those out by their shape, and there are many of them
            remember(token)
        self.client.token = token

    def read(self, mount: str, path: str) -> Secret:
        """The newest version of a secret, and its number."""
        answer = self.ask(
            f"read of {mount}/data/{path}",
            lambda: self.client.secrets.kv.v2.read_secret_version(
                path, mount_point=mount, raise_on_deleted_version=True
            ),
            {
                exceptions.Forbidden: (
                    VaultAuthFailed,
                    "denied: the token must be alive, and its policy must allow reading that path",
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
            raise SecretNotFound(f"Vault's {mount}/{path} is not a secret of a KV engine of version 2")
        return data, version

    def revoke(self) -> None:
        """Give the token back."""
        if self.client.token:
            self.ask("revoke", self.client.auth.token.revoke_self)
            self.client.token = ""

    def close(self) -> None:
        self._session.close()

    def _new_client(self, namespace: str | None) -> Any:
        # With token=None hvac would use VAULT_TOKEN or ~/.vault-token, which may be anybody's; with cert=None
        # the certificate in VAULT_CLIENT_CERT.
        # A redirect would send the token to another server.
        return hvac.Client(
            self._url,
            token="",
            cert=(),
            timeout=self._timeout,
            session=self._session,
            namespace=namespace,
            allow_redirects=False,
        )


def _when_up_to_date(function: Callable[[], Any]) -> Any:
    """What `function` gives; it is called again after a 412, which hvac has no exception for."""
    for seconds in _INDEX_WAITS:
        try:
            return function()
        except exceptions.VaultError as exception:
            if "required index state not present" not in str(exception):
                raise
            time.sleep(seconds)
    return function()
