"""What an exception of hvac, or of requests below it, means: a KeyUnavailable of some kind.

Also for answers that are not from Vault: a proxy's page can have any status. Not here: the requests (api.py).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import urlsplit

import requests
from hvac import exceptions

from safechat.errors import KeyUnavailable, SecretNotFound, VaultAuthFailed, VaultSealed, VaultUnreachable
from safechat.redact import redact

# What an exception means at one endpoint.
Meanings = Mapping[type[Exception], tuple[type[KeyUnavailable], str]]

# OpenSSL's words for an answer that is no TLS, old and new.
_NO_TLS = re.compile("wrong.version.number|record.layer.failure|packet.length.too.long|http.request", re.I)

# What stands in front of a cause: `HTTPConnectionPool(…): Max retries exceeded … (Caused by SomeError("`.
_WRAPPING = re.compile(r"^.*\(Caused by \w+\([\"']?")

# The statuses by which a server says that it serves nobody now, and that hvac has no exception for.
# Source: https://developer.hashicorp.com/vault/api-docs/system/health
_UNSERVED = {
    472: "it is a disaster recovery secondary, which serves no keys: give the address of the primary",
    473: "it is a performance standby that cannot answer: give the address of the active node",
    474: "it is a standby that does not reach its active node: give the address of another node",
    530: "its node was removed from the cluster: give the address of another one",
}


class Unserved(Exception):
    """A server answered, whatever it was asked, that it serves nobody now. Its text says why."""


def refuse_unserved(answer: requests.Response, **_: object) -> None:
    """A hook for a session of requests. Raises Unserved."""
    if answer.status_code in _UNSERVED:
        raise Unserved(f"{_UNSERVED[answer.status_code]} ({answer.status_code})")


# What an exception means where its endpoint does not say so. The first that fits counts.
_ERRORS: tuple[tuple[type[Exception], type[KeyUnavailable]], ...] = (
    (exceptions.Forbidden, VaultAuthFailed),
    (exceptions.Unauthorized, VaultAuthFailed),
    (exceptions.InvalidRequest, VaultAuthFailed),
    (exceptions.InvalidPath, SecretNotFound),
    (exceptions.VaultNotInitialized, VaultSealed),
    (Unserved, VaultUnreachable),
    (exceptions.VaultError, VaultUnreachable),  # 429, 5xx, and what a proxy may answer
    (requests.RequestException, VaultUnreachable),
    (OSError, VaultUnreachable),
)

# What Vault's own statuses mean at any endpoint.
_WORDS: dict[type[Exception], str] = {
    exceptions.RateLimitExceeded: "429: it has had too many requests, or its node is a standby",
    exceptions.VaultNotInitialized: "501: it was never initialized",
    exceptions.VaultDown: "503: it is sealed, or down for maintenance",
}


def translated(
    exception: Exception, where: str, timeout: tuple[float, float], meanings: Meanings
) -> KeyUnavailable:
    """The error for `exception`. Its text begins with `where`; `meanings` win over the table above."""
    text = redact("; ".join(map(str, getattr(exception, "errors", None) or ())) or str(exception))
    if isinstance(exception, exceptions.VaultDown) and "sealed" in text:
        return VaultSealed(f"{where}: it is sealed: an operator must unseal it")
    if isinstance(exception, exceptions.VaultError) and not _is_vaults_own(exception):
        status = f"{type(exception).__name__}: {_shortened(text)}"
        return VaultUnreachable(f"{where}: the answer is not from Vault ({status})")
    for known, (error, meaning) in meanings.items():
        if isinstance(exception, known):
            return error(f"{where}: {meaning} ({_shortened(text)})")
    kind = next((error for known, error in _ERRORS if isinstance(exception, known)), KeyUnavailable)
    return kind(f"{where}: {_no_answer(exception, text, timeout)}")


def _no_answer(exception: Exception, text: str, timeout: tuple[float, float]) -> str:
    """Why there is no answer, in words for an operator."""
    if isinstance(exception, Unserved):
        return str(exception)
    if words := next((words for known, words in _WORDS.items() if isinstance(exception, known)), None):
        return f"{words} ({_shortened(text)})"
    if isinstance(exception, requests.exceptions.SSLError) and _NO_TLS.search(text):
        return f"it does not speak TLS: is the port one for plain http? ({_cause(text)})"
    if isinstance(exception, requests.exceptions.SSLError):
        return f"its certificate is not trusted; is `ca` (VAULT_CACERT) right? ({_cause(text)})"
    if isinstance(exception, requests.exceptions.ConnectTimeout):
        return f"no connection within {timeout[0]:g} s"
    if isinstance(exception, requests.exceptions.ReadTimeout):
        return f"no answer within {timeout[1]:g} s"
    if isinstance(exception, requests.exceptions.ConnectionError):
        return f"no connection ({_cause(text)})"
    return f"{type(exception).__name__}: {_shortened(text)}"


def _is_vaults_own(exception: exceptions.VaultError) -> bool:
    """Vault's errors are JSON with `errors`; a secret that was deleted has `data`."""
    body = exception.json
    return isinstance(body, Mapping) and ("errors" in body or "data" in body)


def _shortened(text: str) -> str:
    return " ".join(text.split())[:200]


def _cause(text: str) -> str:
    """What requests says at the end of its text, where it wraps the cause several times."""
    cause = _WRAPPING.sub("", " ".join(text.split())).rstrip(")'\"")
    return cause if len(cause) <= 160 else "…" + cause[-160:].partition(" ")[2]


def not_vault(answer: object) -> str:
    """What an answer is that Vault does not give."""
    status = getattr(answer, "status_code", None)
    headers = getattr(answer, "headers", {})
    if location := headers.get("location"):
        host = urlsplit(location).hostname or "another path"
        return f"it redirects ({status}) to {host}: give the address of the active node"
    return f"the answer is not from Vault: a {status} of type {headers.get('content-type', 'unknown')}"
