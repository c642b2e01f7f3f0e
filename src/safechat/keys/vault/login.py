"""VaultLogin: a login that is made when it is needed, anew before it ends, and given back at the end.

Not here: what is asked and what the answers mean (vault.py), the key (vault_keys.py).
"""

from __future__ import annotations

import time
from contextlib import suppress

from safechat.errors import KeyUnavailable, VaultAuthFailed
from safechat.keys.vault.api import Secret, Vault
from safechat.keys.vault.auth import AppRole, Token

_OF_A_LEASE = 0.9  # is over: time for a new login
_AGAIN = 10.0  # seconds to the next try, where the old login can neither be renewed nor made anew

# Vault locks a role out after five denied logins within a quarter of an hour, for every program that
# has it. So a secret_id that was denied waits so long before it is tried again.
_FIRST_DENIAL, _LONGEST_DENIAL = 120.0, 600.0


class VaultLogin:
    """For one thread at a time."""

    def __init__(self, vault: Vault, auth: AppRole | Token) -> None:
        self._vault = vault
        self._auth = auth
        self._until = 0.0
        self._denied = ""  # the secret_id that was, and …
        self._denial = 0.0  # … for how many seconds it waits …
        self._denied_until = 0.0  # … until when

    def read(self, mount: str, path: str) -> Secret:
        """The secret. A login that turns out to be void is made anew, once."""
        new = time.monotonic() >= self._until and self._renewed()
        try:
            return self._vault.read(mount, path)
        except VaultAuthFailed:
            if new or isinstance(self._auth, Token):
                raise
        self.log_in()
        return self._vault.read(mount, path)

    def log_in(self) -> None:
        """A new login. Raises VaultAuthFailed."""
        if isinstance(self._auth, Token):
            self._vault.use(self._auth.token.get_secret_value())
            self._until = float("inf")
            return
        secret_id = self._auth.current_secret_id(self._vault.unwrap_secret_id)
        started = time.monotonic()
        if secret_id == self._denied and started < self._denied_until:
            raise VaultAuthFailed(
                f"Vault denied the login at auth/{self._auth.mount}; the same secret_id is not tried again "
                f"for {self._denied_until - started:.0f} s, so that Vault does not lock the role out"
            )
        try:
            lease = self._vault.log_in(self._auth.mount, self._auth.role_id, secret_id)
        except VaultAuthFailed:
            again = secret_id == self._denied
            self._denial = min(2 * self._denial, _LONGEST_DENIAL) if again else _FIRST_DENIAL
            self._denied, self._denied_until = secret_id, started + self._denial
            raise
        self._denied = ""
        self._until = started + _OF_A_LEASE * lease

    def close(self) -> None:
        """Give the token back, if it was made here and Vault answers."""
        if isinstance(self._auth, AppRole):
            with suppress(KeyUnavailable):  # then it ends with its lease
                self._vault.revoke()
        self._vault.close()

    def _renewed(self) -> bool:
        """True: a new login. False: none is to be had (the secret_id is used up), so the old one goes on."""
        if not self._vault.has_token:
            self.log_in()
            return True
        try:
            self.log_in()
        except VaultAuthFailed:
            self._until = time.monotonic() + self._kept_alive()
            return False
        return True

    def _kept_alive(self) -> float:
        """Seconds until the old login needs care again."""
        try:
            return max(1.0, _OF_A_LEASE * self._vault.renew())
        except KeyUnavailable:
            return _AGAIN
