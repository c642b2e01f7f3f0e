"""API keys: the sources they come from, the cache before a slow source, and the layer that uses them."""

from safechat.keys.env import EnvKeys
from safechat.keys.source import Key, KeySource
from safechat.keys.vault.auth import AppRole, Token
from safechat.keys.vault.keys import VaultKeys

__all__ = ["AppRole", "EnvKeys", "Key", "KeySource", "Token", "VaultKeys"]
