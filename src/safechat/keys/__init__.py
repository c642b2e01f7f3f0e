"""API keys: where they come from, and the layer that gives each request the newest one."""

from safechat.keys.env import EnvKeys
from safechat.keys.source import Key, KeySource
from safechat.keys.vault.auth import AppRole, Token
from safechat.keys.vault.keys import VaultKeys

__all__ = ["AppRole", "EnvKeys", "Key", "KeySource", "Token", "VaultKeys"]
