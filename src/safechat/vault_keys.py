"""VaultKeys: the API key from HashiCorp Vault or OpenBao, at the KV v2 engine. Needs `[vault]`.

What is configured, and the login that is kept and renewed. Not here: the cache
(keys.py), Vault's API and what its answers mean (vault.py).
"""

from __future__ import annotations

import ipaddress
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self
from urllib.parse import urlsplit

import anyio
from pydantic import SecretStr

from safechat.errors import KeyUnavailable, SecretNotFound, VaultAuthFailed
from safechat.keys import CachedKeys, Key
from safechat.messages import check_seconds
from safechat.redact import remember
from safechat.settings import read_vault_settings
from safechat.threads import in_thread
from safechat.vault_auth import AppRole, Token

if TYPE_CHECKING:
    from safechat.vault import Vault

_OF_A_LEASE = 0.9  # is over: time for a new login
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
        timeout: tuple[float, float] = (2.0, 5.0),
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
        connect, read = (check_seconds("timeout", each) for each in timeout)
        self._url = _checked(url, allow_http)
        self._auth = auth
        self._path, self._field, self._mount = path.strip("/"), field, mount.strip("/")
        self._namespace, self._ca, self._timeout = namespace, ca, (connect, read)
        self._unwrapped: SecretStr | None = None
        super().__init__(
            ttl=check_seconds("ttl", ttl),
            refresh_interval=refresh_interval,
            longest_read=_REQUESTS_A_READ * (connect + read),
        )

    @classmethod
    def from_env(cls, *, env_file: str | None = ".env") -> Self:
        """As VAULT_* and SAFECHAT_KEY_* say (settings.py lists them). Raises ValueError for one missing."""
        told = read_vault_settings(env_file)
        ways = (told.secret_id, told.secret_id_file, told.wrapped_secret_id)
        if sum(each is not None for each in ways) != 1:
            raise ValueError("set one of VAULT_SECRET_ID, VAULT_SECRET_ID_FILE and VAULT_WRAPPED_SECRET_ID")
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
        self._vault: Vault | None = None  # a fork's child has no part in the parent's connections and token
        self._login_until = 0.0

    def close(self) -> None:
        """Give Vault its token back, if it answers. Only a later `get` logs in again."""
        vault, self._vault, self._login_until = self._vault, None, 0.0
        if vault is not None:
            if isinstance(self._auth, AppRole):
                with suppress(KeyUnavailable):  # then the token ends with its lease
                    vault.revoke()
            vault.close()

    async def aclose(self) -> None:
        """`close` for an event loop; it takes two seconds at most."""
        if (flight := self._flight) is not None:
            await self._landed(flight, _LONGEST_CLOSE)
        with anyio.move_on_after(_LONGEST_CLOSE):
            await in_thread(self.close)

    def links(self) -> Iterator[tuple[str, Callable[[], object]]]:
        """The steps of a read, each by itself: a name, and what blocks, and raises what is wrong."""
        found: list[tuple[dict[str, object], int]] = []
        vault = self._connect()
        yield "Vault", vault.health
        yield "unsealed", vault.check_seal
        yield "login", lambda: self._log_in(vault)
        yield "path", lambda: found.append(vault.read(self._mount, self._path))
        yield "field", lambda: self._key_in(*found[0])

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()

    def __repr__(self) -> str:
        return f"VaultKeys({self._url!r}, path={self._path!r}, auth={self._auth!r})"

    def _read(self) -> Key:
        vault = self._connect()
        logged_in = self._log_in(vault) if time.monotonic() >= self._login_until else False
        try:
            return self._key_in(*vault.read(self._mount, self._path))
        except VaultAuthFailed:
            if logged_in or isinstance(self._auth, Token):
                raise
        self._log_in(vault)  # the token may have been revoked, or Vault have lost it
        return self._key_in(*vault.read(self._mount, self._path))

    def _connect(self) -> Vault:
        """Vault, at the configured address. Nothing is sent."""
        if self._vault is None:
            try:
                from safechat.vault import Vault
            except ModuleNotFoundError as error:
                raise KeyUnavailable(
                    f"Vault needs an extra: pip install 'safechat[vault]' ({error})"
                ) from None
            self._vault = Vault(self._url, self._namespace, self._ca, self._timeout)
        return self._vault

    def _log_in(self, vault: Vault) -> bool:
        if isinstance(self._auth, Token):
            vault.use(self._auth.token.get_secret_value())
            self._login_until = float("inf")
            return True
        started = time.monotonic()
        lease = vault.log_in(self._auth.mount, self._auth.role_id, self._secret_id(vault, self._auth))
        self._login_until = started + _OF_A_LEASE * lease
        return True

    def _secret_id(self, vault: Vault, auth: AppRole) -> str:
        if auth.secret_id is not None:
            return auth.secret_id.get_secret_value()
        if auth.secret_id_file is not None:
            try:
                secret_id = auth.secret_id_file.read_text(encoding="utf-8").strip()
            except (OSError, UnicodeDecodeError) as error:
                reason = f"the file of the secret_id cannot be read: {error}"
            else:
                remember(secret_id)
                return secret_id
            raise VaultAuthFailed(reason)
        if self._unwrapped is None and auth.wrapped_secret_id is not None:
            unwrapped = vault.unwrap_secret_id(auth.wrapped_secret_id.get_secret_value(), auth.mount)
            remember(unwrapped)
            self._unwrapped = SecretStr(unwrapped)
        assert self._unwrapped is not None
        return self._unwrapped.get_secret_value()

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
        return Key(SecretStr(value.strip()), version)


def _checked(url: str, allow_http: bool) -> str:
    parts = urlsplit(url)
    host = parts.hostname
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
