"""How a program logs in to Vault: AppRole, Token. They show no secret.

Not here: the login itself (vault_keys.py, vault.py).
"""

from __future__ import annotations

from pathlib import Path

from pydantic import SecretStr

from safechat.redact import remember


class AppRole:
    """How a program logs in to Vault: with a role_id and one secret_id.

    The secret_id is given as it is, or in a file (read at each login: an agent may
    renew it), or response-wrapped, to be unwrapped once. `mount` is the method's path.
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
        if not role_id:
            raise ValueError("role_id is empty")
        if sum(each is not None for each in (secret_id, secret_id_file, wrapped_secret_id)) != 1:
            raise ValueError("an AppRole needs one of secret_id, secret_id_file and wrapped_secret_id")
        self.role_id = role_id
        self.secret_id = _secret("secret_id", secret_id)
        self.secret_id_file = None if secret_id_file is None else Path(secret_id_file)
        self.wrapped_secret_id = _secret("wrapped_secret_id", wrapped_secret_id)
        self.mount = mount

    def __repr__(self) -> str:
        return f"AppRole(mount={self.mount!r})"


class Token:
    """A token that somebody else made, and renews. It is never revoked from here."""

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
    return SecretStr(text.strip())
