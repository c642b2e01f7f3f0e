"""One AppRole login and its lease, and a secret_id that was denied: without a server."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

import pytest

from safechat import AppRole, VaultAuthFailed, VaultUnreachable
from safechat.keys.vault.api import Vault
from safechat.keys.vault.login import Denials, log_in_as, token_in

ROLE = AppRole("role", "a-secret-id-1234")


class ScriptedVault:
    """Answers logins with `answer`: a lease in seconds, 0 for ever, or an error to raise."""

    def __init__(self, answer: int | Exception) -> None:
        self.answer = answer
        self.logins: list[str] = []

    def unwrap_secret_id(self, wrapped: str, mount: str) -> str:
        return f"{wrapped}-unwrapped"

    def ask(self, what: str, function: Callable[[], object], meanings: object) -> object:
        return function()

    def use(self, token: str) -> None:
        self.token = token

    @property
    def client(self) -> Any:
        return SimpleNamespace(auth=SimpleNamespace(approle=SimpleNamespace(login=self._login)))

    def _login(self, role_id: str, secret_id: str, **_: object) -> object:
        self.logins.append(secret_id)
        if isinstance(self.answer, Exception):
            raise self.answer
        return {"auth": {"client_token": "a-token-0000", "lease_duration": self.answer}}


def due(vault: ScriptedVault, denials: Denials, now: float = 1000.0, role: AppRole = ROLE) -> float:
    return log_in_as(role, cast(Vault, vault), denials, now)


def test_the_next_login_is_due_at_nine_tenths_of_the_lease() -> None:
    assert due(ScriptedVault(1200), Denials()) == 1000.0 + 0.9 * 1200.0


def test_a_token_without_an_end_needs_no_further_login() -> None:
    assert due(ScriptedVault(0), Denials()) == float("inf")


@pytest.mark.parametrize(
    "answer",
    [{}, {"auth": None}, {"auth": "text"}, {"auth": {"lease_duration": 60}}, {"auth": {"client_token": ""}}],
    ids=["nothing", "null", "a text", "no token", "an empty token"],
)
def test_an_answer_without_a_token_is_not_vaults(answer: dict[str, object]) -> None:
    with pytest.raises(VaultUnreachable):
        token_in(answer, "approle")


def test_a_wrapped_secret_id_is_unwrapped_for_the_login() -> None:
    vault = ScriptedVault(1)
    due(vault, Denials(), role=AppRole("role", wrapped_secret_id="wrapping-token"))
    assert vault.logins == ["wrapping-token-unwrapped"]


def test_a_denied_secret_id_waits_two_four_eight_then_ten_minutes() -> None:
    vault, denials, now = ScriptedVault(VaultAuthFailed("denied")), Denials(), 1000.0
    for number, seconds in enumerate((120.0, 240.0, 480.0, 600.0, 600.0), 1):
        with pytest.raises(VaultAuthFailed, match=r"^denied$"):
            due(vault, denials, now)
        with pytest.raises(VaultAuthFailed, match="is not tried again for 1 s"):
            due(vault, denials, now + seconds - 1)
        assert len(vault.logins) == number
        now += seconds


def test_another_secret_id_does_not_wait_for_the_denied_one() -> None:
    vault, denials = ScriptedVault(VaultAuthFailed("denied")), Denials()
    for secret_id in ("first-secret-id", "second-secret-id"):
        with pytest.raises(VaultAuthFailed, match=r"^denied$"):
            due(vault, denials, role=AppRole("role", secret_id))
    assert vault.logins == ["first-secret-id", "second-secret-id"]


def test_a_login_that_succeeds_ends_the_memory_of_denials() -> None:
    vault, denials = ScriptedVault(VaultAuthFailed("denied")), Denials()
    with pytest.raises(VaultAuthFailed):
        due(vault, denials, 0.0)
    vault.answer = 60
    due(vault, denials, 120.0)
    vault.answer = VaultAuthFailed("denied")
    with pytest.raises(VaultAuthFailed, match=r"^denied$"):
        due(vault, denials, 121.0)
    with pytest.raises(VaultAuthFailed, match="for 119 s"):
        due(vault, denials, 122.0)


def test_a_vault_that_is_down_is_no_denial() -> None:
    vault, denials = ScriptedVault(VaultUnreachable("down")), Denials()
    for _ in range(3):
        with pytest.raises(VaultUnreachable):
            due(vault, denials)
    assert len(vault.logins) == 3


def test_an_answer_without_a_token_is_named() -> None:
    class Proxy(ScriptedVault):
        def ask(self, what: str, function: Callable[[], object], meanings: object) -> object:
            return {}

    with pytest.raises(VaultUnreachable, match="auth/approle holds no token: it is not from Vault"):
        due(Proxy(0), Denials())
