"""What an API key is, and what gives one. Not here: the sources themselves (cache.py, env.py, vault/)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from pydantic import SecretStr

from safechat.redact import remember


@dataclass(frozen=True, slots=True)
class Key:
    """An API key, and which one it is: a key that was rotated has another version.

    From its birth it is taken out of every log line and every error.
    """

    value: SecretStr
    version: int

    def __post_init__(self) -> None:
        remember(self.value.get_secret_value())


class KeySource(Protocol):
    """Anything that has an API key to give."""

    async def get(self, not_version: int | None = None) -> Key:
        """The key. `not_version` is one that the API has refused: then one that is newer, where there is one.

        Raises KeyUnavailable.
        """
        ...


def check_keys(keys: object) -> None:
    """Raise TypeError if `keys` is no KeySource."""
    if not callable(getattr(keys, "get", None)) or isinstance(keys, Mapping):
        raise TypeError(f"keys must be a KeySource (VaultKeys, EnvKeys), not {type(keys).__name__}")
