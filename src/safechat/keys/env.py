"""EnvKeys: the API key as tutorials keep it, in the environment or in a .env file.

Not here: the other settings that are read there (settings.py).
"""

from __future__ import annotations

import os

from pydantic import SecretStr

from safechat.errors import KeyUnavailable
from safechat.keys.source import Key, is_sendable
from safechat.settings import read_settings


class EnvKeys:
    """OPENAI_API_KEY from the environment, or from `env_file`. Read again when the API refuses the key."""

    def __init__(self, env_file: str | None = ".env") -> None:
        # The absolute path, for the program may change its working folder.
        self._env_file = None if env_file is None else os.path.abspath(env_file)
        self._key: Key | None = None

    async def get(self, not_version: int | None = None) -> Key:
        """The key. Raises KeyUnavailable where none is set."""
        key = self._key
        if key is None or key.version == not_version:
            setting = read_settings(self._env_file).api_key
            value = setting.get_secret_value().strip() if setting is not None else ""
            if not value:
                raise KeyUnavailable("there is no API key: set OPENAI_API_KEY in the environment or in .env")
            if not is_sendable(value):
                raise KeyUnavailable(
                    "OPENAI_API_KEY holds a character that no header can carry; a line break?"
                )
            if key is None or value != key.value.get_secret_value():
                key = Key(SecretStr(value), 1 if key is None else key.version + 1)
            self._key = key
        return key
