"""AppRole and Token: how a program logs in to Vault. Their repr shows no secret.

Not here: the login itself (login.py, api.py).
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from pydantic import SecretStr

from safechat.errors import VaultAuthFailed
from safechat.keys.source import is_sendable
from safechat.redact import remember


class AppRole:
    """How a program logs in to Vault: with a role_id and one secret_id.

    The secret_id is given as it is, or in a file (read at each login: an agent may
    renew it), or response-wrapped, to be unwrapped once, by one process. `mount` is
    the method's path.
    """

    def __init__(
        self,
        role_id: str,
        secret_id: str | SecretStr | None = None,
        *,
        secret_id_file: str | Path | None = None,
        wrapped_secret_id: str | SecretStr | None = None,
        mount: str = "approle",
    ) -> None:
        if not role_id.strip():
            raise ValueError("role_id is empty")
        if sum(value is not None for value in (secret_id, secret_id_file, wrapped_secret_id)) != 1:
            raise ValueError("an AppRole needs one of secret_id, secret_id_file and wrapped_secret_id")
        self.role_id = role_id.strip()
        self.secret_id = _secret("secret_id", secret_id)
        self.secret_id_file = None if secret_id_file is None else Path(secret_id_file)
        self.wrapped_secret_id = _secret("wrapped_secret_id", wrapped_secret_id)
        self.mount = mount.strip("/")
        self._unwrapped: SecretStr | None = None

    def current_secret_id(self, unwrap: Callable[[str, str], str]) -> str:
        """The secret_id to log in with. `unwrap` opens a wrapping token, given this and the mount.

        Raises VaultAuthFailed where there is none.
        """
        if self.secret_id_file is not None:
            return _secret_id_in(self.secret_id_file)
        if self.secret_id is not None:
            return self.secret_id.get_secret_value()
        if self._unwrapped is None:
            assert self.wrapped_secret_id is not None
            secret_id = unwrap(self.wrapped_secret_id.get_secret_value(), self.mount)
            remember(secret_id)
            self._unwrapped = SecretStr(secret_id)
        return self._unwrapped.get_secret_value()

    def __repr__(self) -> str:
        return f"AppRole(mount={self.mount!r})"


class Token:
    """A token that another program created and renews. It is never revoked here."""

    def __init__(self, token: str | SecretStr) -> None:
        secret = _secret("token", token)
        if secret is None:
            raise TypeError("token must be a str, not None")
        self.token = secret

    def __repr__(self) -> str:
        return "Token()"


def _secret(name: str, value: str | SecretStr | None) -> SecretStr | None:
    if value is None:
        return None
    text = value.get_secret_value() if isinstance(value, SecretStr) else value
    if not isinstance(text, str):
        raise TypeError(f"{name} must be a str, not {type(text).__name__}")
    if not text.strip():
        raise ValueError(f"{name} is empty")
    remember(text)
    if not is_sendable(text.strip()):
        raise ValueError(f"{name} holds a character that no header can carry; a line break?")
    return SecretStr(text.strip())


def _secret_id_in(file: Path) -> str:
    try:
        secret_id = file.read_text(encoding="utf-8-sig").strip()
    except (OSError, UnicodeDecodeError) as error:
        problem = f"the file of the secret_id cannot be read: {type(error).__name__}: {file}"
    else:
        remember(secret_id)
        return secret_id
    raise VaultAuthFailed(problem)
