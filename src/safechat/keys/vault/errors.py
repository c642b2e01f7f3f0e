"""What goes wrong on the way to Vault, as a KeyUnavailable of some kind.

hvac's exceptions, those of requests below it, and answers that are none of
Vault's: a proxy's page comes with any status.
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

import requests
from hvac import exceptions

from safechat.errors import KeyUnavailable, SecretNotFound, VaultAuthFailed, VaultSealed, VaultUnreachable
from safechat.redact import redact

# What an exception means at one endpoint.
Meanings = Mapping[type[Exception], tuple[type[KeyUnavailable], str]]

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


def translated(
    exception: Exception, where: str, timeout: tuple[float, float], meanings: Meanings
) -> KeyUnavailable:
    """`where` begins its text; `meanings` go before what an exception means everywhere."""
    said = redact("; ".join(map(str, getattr(exception, "errors", None) or ())) or str(exception))
    if isinstance(exception, exceptions.VaultDown) and "sealed" in said:
        return VaultSealed(f"{where}: it is sealed: somebody must unseal it")
    if isinstance(exception, exceptions.VaultError) and not _is_vaults_own(exception):
        status = f"{type(exception).__name__}: {_short(said)}"
        return VaultUnreachable(f"{where}: what answers there is not Vault ({status})")
    for known, (error, meaning) in meanings.items():
        if isinstance(exception, known):
            return error(f"{where}: {meaning} ({_short(said)})")
    kind = next((error for known, error in _ERRORS if isinstance(exception, known)), KeyUnavailable)
    return kind(f"{where}: {_told(exception, said, timeout)}")


def _told(exception: Exception, said: str, timeout: tuple[float, float]) -> str:
    """Why there is no answer, in words for an operator."""
    if isinstance(exception, requests.exceptions.SSLError):
        return f"its certificate is not trusted; is `ca` (VAULT_CACERT) right? ({_last(said)})"
    if isinstance(exception, requests.exceptions.ConnectTimeout):
        return f"no connection within {timeout[0]:g} s"
    if isinstance(exception, requests.exceptions.ReadTimeout):
        return f"no answer within {timeout[1]:g} s"
    if isinstance(exception, requests.exceptions.ConnectionError):
        return f"no connection ({_last(said)})"
    return f"{type(exception).__name__}: {_short(said)}"


def _is_vaults_own(exception: exceptions.VaultError) -> bool:
    """Vault's errors are JSON with `errors`; a secret that was deleted has `data`."""
    body = exception.json
    return isinstance(body, Mapping) and ("errors" in body or "data" in body)


def _short(said: str) -> str:
    return " ".join(said.split())[:200]


def _last(said: str) -> str:
    """The end of a message that requests has wrapped several times."""
    return " ".join(said.split())[-160:].lstrip("…").rstrip(")'\"")


def not_vault(answer: object) -> str:
    """What answered in Vault's place."""
    status = getattr(answer, "status_code", None)
    headers = getattr(answer, "headers", {})
    if location := headers.get("location"):
        return f"it redirects ({status}) to {urlsplit(location).netloc}: give the address of the active node"
    return f"what answers there is not Vault: a {status} of type {headers.get('content-type', 'unknown')}"
