"""Vault's API, as VaultKeys needs it, and what each of its answers means. The only file that knows hvac.

Every method blocks, and raises KeyUnavailable of some kind: hvac's exceptions,
those of requests below it, and answers that are none of Vault's all become one.
Their texts hold no secret. Not here: when to ask (vault_keys.py).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import hvac
import requests
from hvac import exceptions

from safechat.errors import (
    KeyUnavailable,
    SecretNotFound,
    VaultAuthFailed,
    VaultSealed,
    VaultUnreachable,
)
from safechat.redact import redact, remember

# The first that fits counts.
_ERRORS: tuple[tuple[type[Exception], type[KeyUnavailable]], ...] = (
    (exceptions.Forbidden, VaultAuthFailed),
    (exceptions.Unauthorized, VaultAuthFailed),
    (exceptions.InvalidRequest, VaultAuthFailed),
    (exceptions.InvalidPath, SecretNotFound),
    (exceptions.VaultNotInitialized, VaultSealed),
    (exceptions.VaultError, VaultUnreachable),  # 429, 5xx, and what a proxy may answer
    (requests.RequestException, VaultUnreachable),
    (OSError, VaultUnreachable),
)


class Vault:
    """A Vault server. `timeout` is (to connect, between two bytes), in seconds."""

    def __init__(
        self, url: str, namespace: str | None, ca: str | Path | None, timeout: tuple[float, float]
    ) -> None:
        self._url = url
        self._timeout = timeout
        session = requests.Session()
        session.trust_env = False  # no proxy and no .netrc between us and Vault
        session.verify = True if ca is None else str(ca)
        # With token=None hvac would use VAULT_TOKEN or ~/.vault-token, whoever's they are; and a
        # redirect would carry the token to wherever it leads.
        self._client = hvac.Client(
            url, token="", timeout=timeout, session=session, namespace=namespace, allow_redirects=False
        )

    def health(self) -> Mapping[str, Any]:
        """Vault's own words about itself: `sealed`, `initialized`, `version`. Needs no login."""
        codes = dict.fromkeys(("sealed_code", "uninit_code", "standby_code", "performance_standby_code"), 200)
        return self._ask("health", lambda: self._client.sys.read_health_status(method="GET", **codes))

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
                    "denied; is this the right mount, and address range?",
                ),
            },
        )
        auth = answer.get("auth") or {}
        self.use(str(auth["client_token"]))
        return float(auth.get("lease_duration") or "inf")

    def unwrap_secret_id(self, wrapped: str, mount: str) -> str:
        """The secret_id in a wrapping token, which is used up by that. It must have been made for a role
        of this auth method: a token made elsewhere may be somebody's trap, and is left alone."""
        problem = "the wrapped secret_id was used before, or is too old: someone else may have opened it"
        spent = dict.fromkeys(
            (exceptions.InvalidRequest, exceptions.Forbidden, exceptions.InvalidPath),
            (VaultAuthFailed, problem),
        )
        token = {"token": wrapped}
        told = self._ask(
            "unwrap", lambda: self._client.adapter.post("/v1/sys/wrapping/lookup", json=token), spent
        )
        made_at = str((told.get("data") or {}).get("creation_path"))
        if not (made_at.startswith(f"auth/{mount}/role/") and made_at.endswith("/secret-id")):
            raise VaultAuthFailed(
                f"the wrapped secret_id was made at {made_at}, not at auth/{mount}/role/…/secret-id: "
                "it may have been exchanged on its way; it was not unwrapped"
            )
        self._client.token = wrapped  # it opens itself: there is no login yet
        try:
            answer = self._ask("unwrap", self._client.sys.unwrap, spent)
        finally:
            self._client.token = ""
        return str(answer["data"]["secret_id"])

    def use(self, token: str) -> None:
        """From now on requests are made with `token`."""
        remember(token)
        self._client.token = token

    def read(self, mount: str, path: str) -> tuple[dict[str, object], int]:
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
        self._client.session.close()

    def _ask(
        self,
        what: str,
        function: Callable[[], Any],
        meanings: Mapping[type[Exception], tuple[type[KeyUnavailable], str]] | None = None,
    ) -> Mapping[str, Any]:
        """The JSON that Vault answers with. `meanings` says what an exception means here."""
        where = f"Vault at {self._url}"
        failure: KeyUnavailable
        try:
            answer = function()
        except Exception as exception:
            failure = self._failure(where, what, exception, meanings or {})
        else:
            if isinstance(answer, Mapping):
                return answer
            if getattr(answer, "status_code", None) == 204:
                return {}
            failure = VaultUnreachable(f"{where}: {what}: {_not_vault(answer)}")
        # Outside the except block: the exception of requests holds the token, on __context__ too.
        raise failure.with_traceback(None)

    def _failure(
        self,
        where: str,
        what: str,
        exception: Exception,
        meanings: Mapping[type[Exception], tuple[type[KeyUnavailable], str]],
    ) -> KeyUnavailable:
        said = "; ".join(map(str, getattr(exception, "errors", None) or ())) or str(exception)
        if isinstance(exception, exceptions.VaultDown) and "sealed" in said:
            return VaultSealed(f"{where} is sealed: somebody must unseal it")
        for known, (error, meaning) in meanings.items():
            if isinstance(exception, known):
                return error(redact(f"{where}: {what}: {meaning} ({' '.join(said.split())[:200]})"))
        kind = next((error for known, error in _ERRORS if isinstance(exception, known)), KeyUnavailable)
        return kind(redact(f"{where}: {what}: {self._told(exception, said)}"))

    def _told(self, exception: Exception, said: str) -> str:
        """Why there is no answer, in words for an operator."""
        if isinstance(exception, requests.exceptions.SSLError):
            return f"its certificate is not trusted; is `ca` (VAULT_CACERT) right? ({_last(said)})"
        if isinstance(exception, requests.exceptions.ConnectTimeout):
            return f"no connection within {self._timeout[0]:g} s"
        if isinstance(exception, requests.exceptions.ReadTimeout):
            return f"no answer within {self._timeout[1]:g} s"
        if isinstance(exception, requests.exceptions.ConnectionError):
            return f"no connection ({_last(said)})"
        return f"{type(exception).__name__}: {' '.join(said.split())[:200]}"


def _last(said: str) -> str:
    """The end of a message that requests has wrapped several times."""
    return " ".join(said.split())[-160:].lstrip("…").rstrip(")'\"")


def _not_vault(answer: object) -> str:
    """What answered in Vault's place."""
    status = getattr(answer, "status_code", None)
    headers = getattr(answer, "headers", {})
    if location := headers.get("location"):
        return f"it redirects ({status}) to {urlsplit(location).netloc}: give the address of the active node"
    return f"what answers there is not Vault: a {status} of type {headers.get('content-type', 'unknown')}"
