"""VaultKeys: the API key from HashiCorp Vault or OpenBao, at the KV v2 engine. Needs `[vault]`.

What is configured, and how a key is read. Not here: when it is read again
(keys/cache.py), the login (login.py), Vault's API (api.py).
"""

from __future__ import annotations

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
from safechat.keys.source import Key, is_sendable
from safechat.keys.vault.auth import AppRole, Token
from safechat.keys.vault.settings import read_vault_settings
from safechat.log.events import UNLOGGED, event
from safechat.redact import remember
from safechat.runtime.threads import in_thread
from safechat.settings import is_readable_on_the_way

if TYPE_CHECKING:
    from safechat.keys.vault.api import Secret, Vault
    from safechat.keys.vault.login import VaultLogin

# Seconds that giving the token back may take.
_LONGEST_CLOSE = 2.0
# Requests that one read may need: a denied read, an unwrap, a new login, the read again.
_REQUESTS_PER_READ = 4


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
            check_seconds("timeout", seconds)
            for seconds in (timeout if isinstance(timeout, tuple) else (timeout,) * 2)
        )
        self._url = _checked_address(url, allow_http)
        self._auth = auth
        self._path, self._field, self._mount = path.strip("/"), field, mount.strip("/")
        self._namespace, self._ca, self._timeout = namespace, ca, (connect, read)
        self.path = f"{self._mount}/{self._path}"
        super().__init__(
            ttl=check_seconds("ttl", ttl),
            refresh_interval=refresh_interval,
            longest_read=_REQUESTS_PER_READ * (connect + read),
        )

    @classmethod
    def from_env(cls, *, env_file: str | None = ".env") -> Self:
        """As VAULT_* and SAFECHAT_KEY_* are set (settings.py lists them). Raises ValueError."""
        settings = read_vault_settings(env_file)
        auth = AppRole(
            settings.role_id,
            settings.secret_id,
            secret_id_file=settings.secret_id_file,
            wrapped_secret_id=settings.wrapped_secret_id,
        )
        return cls(
            settings.address,
            path=settings.key_path,
            field=settings.key_field,
            mount=settings.key_mount,
            auth=auth,
            namespace=settings.namespace,
            ca=settings.ca,
            allow_http=settings.allow_http,
        )

    def begin(self) -> None:
        super().begin()
        # The child of a fork must not use the parent's connections, nor give back the parent's token.
        self._login: VaultLogin | None = None

    def close(self) -> None:
        """Give Vault its token back, if Vault answers. A later `get` logs in again."""
        login, self._login = self._login, None
        if login is not None:
            login.close()
        event(UNLOGGED, "keys.closed", source=self.source, path=self.path)

    async def aclose(self) -> None:
        """`close` for an event loop; it takes a few seconds at most."""
        if (flight := self._flight) is not None:
            await flight.wait(_LONGEST_CLOSE)
        with anyio.move_on_after(_LONGEST_CLOSE):
            await in_thread(self.close)

    def steps(self) -> Generator[tuple[str, Callable[[], object]], None, None]:
        """The steps of a read, one by one, with a login for them alone: the name of the step, and a function
        that blocks and raises KeyUnavailable. A wrapped secret_id is checked but not used up, so the steps
        end there."""
        secrets: list[Secret] = []
        vault = self._connected()
        login = _login_module().VaultLogin(vault, self._auth)
        yield "Vault", vault.health
        yield "unsealed", vault.check_seal
        if isinstance(self._auth, AppRole) and (wrapped := self._auth.wrapped_secret_id) is not None:
            mount, token = self._auth.mount, wrapped.get_secret_value()
            yield "wrapped secret_id", lambda: vault.check_wrapped(token, mount)
            return
        try:
            yield "login", login.log_in
            yield "path", lambda: secrets.append(vault.read(self._mount, self._path))
            yield "field", lambda: self._key_in(*secrets[0])
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
            login = self._login = _login_module().VaultLogin(self._connected(), self._auth)
        try:
            return self._key_in(*login.read(self._mount, self._path))
        finally:
            if login is not self._login:  # `close` was called during the read: it does not know this token
                login.close()

    def _abandon_read(self) -> None:
        self._login = None  # the read that hangs still uses it

    def _connected(self) -> Vault:
        vault: Vault = _login_module().Vault(self._url, self._namespace, self._ca, self._timeout)
        return vault

    def _key_in(self, data: dict[str, object], version: int) -> Key:
        """The key in a secret's fields. Raises SecretNotFound where `field` is missing or holds no key."""
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
            raise SecretNotFound(
                f"Vault's {where}: the field {self._field!r} holds a character that no header can carry"
            )
        return Key(SecretStr(value.strip()), version)


def _login_module() -> ModuleType:
    """The module login.py, which needs hvac. Raises KeyUnavailable without it."""
    try:
        from safechat.keys.vault import login
    except ModuleNotFoundError as error:
        problem = f"Vault needs an extra: pip install 'safechat[vault]' ({error})"
    else:
        return login
    raise KeyUnavailable(problem)


def _checked_address(url: str, allow_http: bool) -> str:
    parts = urlsplit(url)
    host = parts.hostname
    if "@" in parts.netloc:
        raise ValueError("Vault's address holds a user or a password: leave them out, Vault uses neither")
    if parts.scheme not in ("http", "https") or not host:
        raise ValueError(f"Vault's address must be like https://vault:8200, not {url!r}")
    if parts.path.rstrip("/").endswith("/v1"):
        raise ValueError(f"Vault's address is that of the server: leave the /v1 out of {url!r}")
    if not allow_http and is_readable_on_the_way(url):
        raise ValueError(
            f"Vault's address is plain http, so everyone on the way to {host} could read the key: "
            "use https, or allow http (allow_http=True, SAFECHAT_VAULT_ALLOW_HTTP=1)"
        )
    return url.rstrip("/")
