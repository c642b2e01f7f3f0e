"""VaultKeys: the API key from HashiCorp Vault or OpenBao, at the KV v2 engine. Needs `[vault]`.

What is configured, and how a key is read. Not here: the cache
(keys.py), the login (vault_login.py), Vault's API (vault.py).
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Generator
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Self
from urllib.parse import urlsplit

import anyio
from pydantic import SecretStr

from safechat.checks import check_seconds
from safechat.errors import KeyUnavailable, SecretNotFound
from safechat.keys.cache import CachedKeys
from safechat.keys.source import Key
from safechat.keys.vault.auth import AppRole, Token, is_sendable
from safechat.keys.vault.settings import read_vault_settings
from safechat.log.events import UNLOGGED, event
from safechat.redact import remember
from safechat.runtime.threads import in_thread

if TYPE_CHECKING:
    from safechat.keys.vault.api import Secret, Vault
    from safechat.keys.vault.login import VaultLogin

_LONGEST_CLOSE = 2.0  # seconds that giving the token back may take
_REQUESTS_A_READ = 4  # a read that is denied, a new login (perhaps with an unwrap), the read again


class VaultKeys(CachedKeys):
    """The API key that stands in `field` of the secret at `path`, below the KV v2 engine at `mount`.

    `timeout` is (to connect, to read), `ttl` the time a key is served without asking
    again, in seconds. `ca` is a file of certificates to trust in place of the
    system's. A token of the environment or of the home folder is never used. Plain
    http leaves this machine only with `allow_http=True`.

        keys = VaultKeys("https://vault:8200", path="safechat/openai", auth=AppRole(role_id, secret_id))
        ChatClientWrapper(AsyncOpenAI(api_key="from Vault"), keys=keys)
    """

    source = "vault"

    def __init__(
        self,
        url: str,
        *,
        path: str,
        auth: AppRole | Token,
        field: str = "api_key",
        mount: str = "secret",
        namespace: str | None = None,
        ca: str | Path | None = None,
        timeout: tuple[float, float] | float = (2.0, 5.0),
        ttl: float = 300.0,
        refresh_interval: float = 5.0,
        allow_http: bool = False,
    ) -> None:
        if not isinstance(auth, AppRole | Token):
            raise TypeError(f"auth must be an AppRole or a Token, not {type(auth).__name__}")
        for name, value in (("path", path), ("field", field), ("mount", mount)):
            if not isinstance(value, str) or not value.strip("/ "):
                raise ValueError(f"{name} is empty: {value!r}")
        if ca is not None and not Path(ca).is_file():
            raise ValueError(f"ca: there is no file {str(ca)!r}")
        connect, read = (
            check_seconds("timeout", each)
            for each in (timeout if isinstance(timeout, tuple) else (timeout,) * 2)
        )
        self._url = _checked(url, allow_http)
        self._auth = auth
        self._path, self._field, self._mount = path.strip("/"), field, mount.strip("/")
        self._namespace, self._ca, self._timeout = namespace, ca, (connect, read)
        self.path = f"{self._mount}/{self._path}"
        super().__init__(
            ttl=check_seconds("ttl", ttl),
            refresh_interval=refresh_interval,
            longest_read=_REQUESTS_A_READ * (connect + read),
        )

    @classmethod
    def from_env(cls, *, env_file: str | None = ".env") -> Self:
        """As VAULT_* and SAFECHAT_KEY_* say (settings.py lists them). Raises ValueError for one missing."""
        told = read_vault_settings(env_file)
        auth = AppRole(
            told.role_id,
            told.secret_id,
            secret_id_file=told.secret_id_file,
            wrapped_secret_id=told.wrapped_secret_id,
        )
        return cls(
            told.address,
            path=told.key_path,
            field=told.key_field,
            mount=told.key_mount,
            auth=auth,
            namespace=told.namespace,
            ca=told.ca,
            allow_http=told.allow_http,
        )

    def begin(self) -> None:
        super().begin()
        self._login: VaultLogin | None = (
            None  # a fork's child has no part in the parent's connections and token
        )

    def close(self) -> None:
        """Give Vault its token back, if it answers. Only a later `get` logs in again."""
        login, self._login = self._login, None
        if login is not None:
            login.close()
        event(UNLOGGED, "keys.closed", source=self.source, path=self.path)

    async def aclose(self) -> None:
        """`close` for an event loop; it takes a few seconds at most."""
        if (flight := self._flight) is not None:
            await self._landed(flight, _LONGEST_CLOSE)
        with anyio.move_on_after(_LONGEST_CLOSE):
            await in_thread(self.close)

    def links(self) -> Generator[tuple[str, Callable[[], object]], None, None]:
        """The steps of a read, each by itself, with a login of their own: a name, and what blocks, and
        raises what is wrong. A wrapped secret_id is looked at, and not used up: then it ends there."""
        found: list[Secret] = []
        vault = self._connected()
        login = _imported().VaultLogin(vault, self._auth)
        yield "Vault", vault.health
        yield "unsealed", vault.check_seal
        if isinstance(self._auth, AppRole) and (wrapped := self._auth.wrapped_secret_id) is not None:
            mount, token = self._auth.mount, wrapped.get_secret_value()
            yield "wrapped secret_id", lambda: vault.check_wrapped(token, mount)
            return
        try:
            yield "login", login.log_in
            yield "path", lambda: found.append(vault.read(self._mount, self._path))
            yield "field", lambda: self._key_in(*found[0])
        finally:
            login.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    def __repr__(self) -> str:
        return f"VaultKeys({self._url!r}, path={self._path!r}, auth={self._auth!r})"

    def _read(self) -> Key:
        if (login := self._login) is None:
            login = self._login = _imported().VaultLogin(self._connected(), self._auth)
        try:
            return self._key_in(*login.read(self._mount, self._path))
        finally:
            if login is not self._login:  # closed meanwhile: nobody else gives this token back
                login.close()

    def _gave_up(self) -> None:
        self._login = None  # it belongs to the read that hangs

    def _connected(self) -> Vault:
        vault: Vault = _imported().Vault(self._url, self._namespace, self._ca, self._timeout)
        return vault

    def _key_in(self, data: dict[str, object], version: int) -> Key:
        """The key in a secret's `data`. Raises SecretNotFound where the field is not there, or holds none."""
        where = f"{self._mount}/{self._path}"
        if self._field not in data:
            raise SecretNotFound(
                f"Vault's {where} has no field {self._field!r}; it has: {', '.join(sorted(data)) or 'none'}"
            )
        value = data[self._field]
        if not isinstance(value, str) or not value.strip():
            raise SecretNotFound(f"Vault's {where}: the field {self._field!r} holds no text")
        remember(value)
        if not is_sendable(value.strip()):
            raise SecretNotFound(f"Vault's {where}: the field {self._field!r} holds what no header can carry")
        return Key(SecretStr(value.strip()), version)


def _imported() -> ModuleType:
    """vault_login.py, which needs hvac."""
    try:
        from safechat.keys.vault import login as vault_login
    except ModuleNotFoundError as error:
        problem = f"Vault needs an extra: pip install 'safechat[vault]' ({error})"
    else:
        return vault_login
    raise KeyUnavailable(problem)


def _checked(url: str, allow_http: bool) -> str:
    parts = urlsplit(url)
    host = parts.hostname
    if "@" in parts.netloc:
        raise ValueError("Vault's address holds a user or a password: leave them out, Vault knows neither")
    if parts.scheme not in ("http", "https") or not host:
        raise ValueError(f"Vault's address must be like https://vault:8200, not {url!r}")
    if parts.scheme == "http" and not allow_http and not _is_loopback(host):
        raise ValueError(
            f"Vault's address is plain http, so {host} and all between would see the key: "
            "use https, or ask for http (allow_http=True, SAFECHAT_VAULT_ALLOW_HTTP=1)"
        )
    return url.rstrip("/")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
