"""The login at Vault: created when it is needed, replaced before its lease ends, given back at the end.

`log_in` is one AppRole login. `VaultLogin` keeps a login alive between reads. Not here: the other requests
(api.py), what an exception of hvac means (errors.py), how a program may log in (auth.py), the key (keys.py).
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import suppress

from hvac import exceptions

from safechat.errors import KeyUnavailable, VaultAuthFailed, VaultUnreachable
from safechat.keys.vault.api import Secret, Vault
from safechat.keys.vault.auth import AppRole, Token
from safechat.keys.vault.errors import Meanings

# What the answers to a login mean.
LOGIN_DENIED: Meanings = {
    exceptions.InvalidPath: (VaultAuthFailed, "there is no auth method"),
    exceptions.InvalidRequest: (VaultAuthFailed, "the role_id or the secret_id is wrong, or used up"),
    exceptions.Forbidden: (VaultAuthFailed, "denied: wrong mount or address range, or locked out"),
}
# Fraction of the lease after which to log in again.
LEASE_SHARE = 0.9
# Seconds until the next try, when the old login can neither be renewed nor replaced.
TRY_AGAIN = 10.0
# Vault locks a role out after five denied logins within a quarter of an hour, for every program that uses
# it. So a secret_id that was denied is not sent again for this time, which doubles with each denial.
FIRST_DENIAL, LONGEST_DENIAL = 120.0, 600.0


def log_in(vault: Vault, role_id: str, secret_id: str, mount: str, now: float) -> float:
    """Log in with the AppRole method at `mount`: from now on `vault` uses the new token.

    Returns the time at which to log in again, on the clock of `now`: when LEASE_SHARE of the token's
    lease is over. Raises VaultAuthFailed where Vault denies the login or has no AppRole there, and what
    else `vault.ask` and `token_in` raise; then `vault` keeps the token that it has.
    """
    answer = vault.ask(
        f"login at auth/{mount}",
        lambda: vault.client.auth.approle.login(role_id, secret_id, use_token=False, mount_point=mount),
        LOGIN_DENIED,
    )
    token, lease = token_in(answer, mount)
    vault.use(token)
    return now + LEASE_SHARE * lease


def token_in(answer: Mapping[str, object], mount: str) -> tuple[str, float]:
    """The token, and the seconds of its lease: infinity where it has no end. Raises VaultUnreachable."""
    auth = answer.get("auth")
    if not isinstance(auth, Mapping) or not auth.get("client_token"):
        raise VaultUnreachable(
            f"the answer to the login at auth/{mount} holds no token: it is not from Vault"
        )
    return str(auth["client_token"]), float(auth.get("lease_duration") or "inf")


def log_in_as(auth: AppRole, vault: Vault, denials: Denials, now: float) -> float:
    """`log_in` with the role's secret_id of now, unless Vault has denied that a short while ago."""
    secret_id = auth.current_secret_id(vault.unwrap_secret_id)
    denials.check(secret_id, auth.mount, now)
    try:
        due = log_in(vault, auth.role_id, secret_id, auth.mount, now)
    except VaultAuthFailed:
        denials.add(secret_id, now)
        raise
    denials.clear()
    return due


class Denials:
    """Remembers the secret_id that Vault denied last, and until when it is not sent again."""

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """A login succeeded."""
        self._secret_id = ""
        self._seconds = 0.0
        self._until = 0.0

    def add(self, secret_id: str, now: float) -> None:
        """Vault has denied `secret_id` now."""
        again = secret_id == self._secret_id
        self._seconds = min(2 * self._seconds, LONGEST_DENIAL) if again else FIRST_DENIAL
        self._secret_id, self._until = secret_id, now + self._seconds

    def check(self, secret_id: str, mount: str, now: float) -> None:
        """Raise VaultAuthFailed if Vault denied `secret_id` and it is too early to send it again."""
        if secret_id == self._secret_id and now < self._until:
            raise VaultAuthFailed(
                f"Vault denied the login at auth/{mount}; the same secret_id is not tried again "
                f"for {self._until - now:.0f} s, so that Vault does not lock the role out"
            )


class VaultLogin:
    """A login that lasts from one read to the next. For one thread at a time."""

    def __init__(self, vault: Vault, auth: AppRole | Token) -> None:
        self._vault = vault
        self._auth = auth
        self._denials = Denials()
        self._due = 0.0  # the time of the next login, on time.monotonic's clock

    def read(self, mount: str, path: str) -> Secret:
        """The secret. A login that turns out to be void is replaced, once."""
        is_new = time.monotonic() >= self._due and self._replace()
        try:
            return self._vault.read(mount, path)
        except VaultAuthFailed:
            if is_new or isinstance(self._auth, Token):
                raise
        self.log_in()
        return self._vault.read(mount, path)

    def log_in(self) -> None:
        """Use a new login, or the token that was given. Raises VaultAuthFailed."""
        if isinstance(self._auth, Token):
            self._vault.use(self._auth.token.get_secret_value())
            self._due = float("inf")
        else:
            self._due = log_in_as(self._auth, self._vault, self._denials, time.monotonic())

    def close(self) -> None:
        """Give the token back, if it comes from a login of ours and Vault answers."""
        if isinstance(self._auth, AppRole):
            with suppress(KeyUnavailable):  # then it ends with its lease
                self._vault.revoke()
        self._vault.close()

    def _replace(self) -> bool:
        """Log in again. False where Vault denies that (the secret_id is used up): the old login goes on."""
        if not self._vault.has_token:
            self.log_in()
            return True
        try:
            self.log_in()
        except VaultAuthFailed:
            self._due = time.monotonic() + self._renew()
            return False
        return True

    def _renew(self) -> float:
        """Renew the old login's lease. Returns the seconds until the next try for a new login."""
        try:
            return max(1.0, LEASE_SHARE * self._vault.renew())
        except KeyUnavailable:
            return TRY_AGAIN
