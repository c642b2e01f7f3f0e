"""Key and KeySource: an API key, and the interface of what gives one.

Not here: the sources themselves (env.py, vault/keys.py) and the cache before a slow one (cache.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from pydantic import SecretStr

from safechat.redact import remember


@dataclass(frozen=True, slots=True)
class Key:
    """An API key and its version. A key that was rotated has another version.

    As soon as a Key exists, its value is taken out of every log line and every error.
    """

    value: SecretStr
    version: int

    def __post_init__(self) -> None:
        remember(self.value.get_secret_value())


class KeySource(Protocol):
    """Anything that gives an API key."""

    async def get(self, not_version: int | None = None) -> Key:
        """The key. `not_version` is the version of a key that the API has refused: then a newer one, where
        there is one, and else the same. Raises KeyUnavailable.
        """
        ...


def is_sendable(secret: str) -> bool:
    """Whether an HTTP header can carry it."""
    return secret.isascii() and secret.isprintable()


def check_keys(keys: object) -> None:
    """Raise TypeError if `keys` is no KeySource."""
    if not callable(getattr(keys, "get", None)) or isinstance(keys, Mapping):
        raise TypeError(f"keys must be a KeySource (VaultKeys, EnvKeys), not {type(keys).__name__}")
