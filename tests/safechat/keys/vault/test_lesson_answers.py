"""Lesson 06's tests have no server: what they answer in its place is what a real one answers.

With `--vault=container` that is HashiCorp's.
"""

from __future__ import annotations

import pytest
import requests

from safechat import KeyUnavailable, VaultAuthFailed, VaultSealed, VaultUnreachable
from safechat.keys.vault.api import Vault
from safechat.keys.vault.login import LEASE_SHARE, log_in
from servers import Secret, Server, furnish, root_client
from steps.test_06_vault import ACCEPTED, DENIED, NO_METHOD, SEALED, WRONG_SECRET_ID


def answered(server: Server, mount: str = "approle", **login: str) -> tuple[int, dict[str, object]]:
    """The status and the body of a login, as they are on the wire."""
    answer = requests.post(f"{server.address}/v1/auth/{mount}/login", json=login, timeout=10)
    return answer.status_code, answer.json()


def error_of(server: Server, secret: Secret, secret_id: str, mount: str = "approle") -> type[KeyUnavailable]:
    with pytest.raises(KeyUnavailable) as caught:
        log_in(connected(server), secret.role_id, secret_id, mount, 0.0)
    return type(caught.value)


def connected(server: Server) -> Vault:
    return Vault(server.address, None, server.ca, (2.0, 5.0))


def test_a_login_that_is_accepted(secret: Secret) -> None:
    status, body = answered(secret.server, role_id=secret.role_id, secret_id=secret.secret_id)
    auth, scripted = body["auth"], ACCEPTED["auth"]
    assert isinstance(auth, dict)
    assert status == 200
    assert {name: type(auth[name]) for name in scripted} == {
        name: type(value) for name, value in scripted.items()
    }
    vault = connected(secret.server)
    due = log_in(vault, secret.role_id, secret.secret_id, "approle", 50.0)
    assert due == 50.0 + LEASE_SHARE * scripted["lease_duration"]
    assert vault.read("secret", secret.path)[1] == 1


def test_a_login_that_is_denied(secret: Secret) -> None:
    assert answered(secret.server, role_id=secret.role_id, secret_id="wrong") == WRONG_SECRET_ID
    assert error_of(secret.server, secret, "wrong") is VaultAuthFailed


def test_a_login_where_no_approle_is(secret: Secret) -> None:
    status, body = answered(secret.server, "nowhere", role_id=secret.role_id, secret_id=secret.secret_id)
    assert status in (DENIED[0], NO_METHOD[0])
    assert body.keys() == DENIED[1].keys()
    assert error_of(secret.server, secret, secret.secret_id, "nowhere") is VaultAuthFailed


def test_a_login_at_a_vault_that_is_sealed_and_then_killed(own_server: Server) -> None:
    secret = furnish(own_server)
    root_client(own_server).sys.seal()
    assert answered(own_server, role_id=secret.role_id, secret_id=secret.secret_id) == SEALED
    assert error_of(own_server, secret, secret.secret_id) is VaultSealed
    own_server.kill()
    assert error_of(own_server, secret, secret.secret_id) is VaultUnreachable
