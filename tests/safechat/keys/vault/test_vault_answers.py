"""What a Vault answers that is behind, a replica, or plain http; and what the environment holds."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator

import pytest
from hvac.v1 import Client

from safechat import KeyUnavailable, Token, VaultKeys, VaultSealed, VaultUnreachable
from safechat.keys.vault import api
from safechat.keys.vault.api import Vault
from safechat.keys.vault.login import log_in
from wire import Peer, Wire, http, wire

SECRET = json.dumps({"data": {"data": {"api_key": "sk-of-a-vault-000"}, "metadata": {"version": 3}}}).encode()
BEHIND = http(b'{"errors": ["required index state not present"]}', status="412 Precondition Failed")


def vault(server: Wire) -> Vault:
    return Vault(f"http://127.0.0.1:{server.port}", None, None, (5.0, 5.0))


def answers(*data: bytes) -> Iterator[bytes]:
    yield from data


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api, "_INDEX_WAITS", (0.0, 0.0))


def test_a_server_that_is_behind_is_asked_again() -> None:
    script = answers(BEHIND, BEHIND, http(SECRET))
    with wire(lambda peer: peer.say(next(script))) as server:
        assert vault(server).read("secret", "openai") == ({"api_key": "sk-of-a-vault-000"}, 3)


def test_a_server_that_stays_behind_is_reported() -> None:
    with wire(lambda peer: peer.say(BEHIND)) as server, pytest.raises(VaultUnreachable, match="index state"):
        vault(server).read("secret", "openai")


CALLS: dict[str, Callable[[Vault], object]] = {
    "health": lambda vault: vault.health(),
    "login": lambda vault: log_in(vault, "role", "a-secret-id-000", "approle", 0.0),
    "read": lambda vault: vault.read("secret", "openai"),
    "renewal": lambda vault: vault.renew(),
}


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize(
    ("status", "words"),
    [
        (472, "disaster recovery secondary"),
        (473, "performance standby"),
        (474, "does not reach its active node"),
        (530, "removed from the cluster"),
    ],
)
def test_a_server_that_serves_nobody_is_named_wherever_it_is_met(call: str, status: int, words: str) -> None:
    def say(peer: Peer) -> None:
        peer.say(http(b'{"errors": []}', status=f"{status} X"))

    with wire(say) as server, pytest.raises(VaultUnreachable, match=words):
        CALLS[call](vault(server))


@pytest.mark.parametrize("call", ["login", "read", "renewal"])
@pytest.mark.parametrize(
    ("status", "error", "words"),
    [
        (429, VaultUnreachable, "too many requests, or its node is a standby"),
        (501, VaultSealed, "never initialized"),
        (503, VaultUnreachable, "sealed, or down for maintenance"),
    ],
)
def test_a_status_of_its_health_is_named_by_any_call(
    call: str, status: int, error: type[KeyUnavailable], words: str
) -> None:
    def say(peer: Peer) -> None:
        peer.say(http(b'{"errors": []}', status=f"{status} X"))

    with wire(say) as server, pytest.raises(error, match=words):
        CALLS[call](vault(server))


def test_https_to_a_port_of_plain_http_is_said_as_such() -> None:
    """As a server in Go answers: as soon as the first bytes are no HTTP."""

    def answer() -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(4096)
            connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        url = f"https://127.0.0.1:{listener.getsockname()[1]}"
        with pytest.raises(KeyUnavailable, match="does not speak TLS"):
            Vault(url, None, None, (5.0, 5.0)).health()
        thread.join(60)


@pytest.mark.parametrize("url", ["https://vault:8200/v1", "https://vault:8200/v1/", "https://vault/x/v1"])
def test_an_address_with_v1_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="leave the /v1 out"):
        VaultKeys(url, path="p", auth=Token("a-token-00000"))


def test_a_client_certificate_of_the_environment_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hvac.v1.VAULT_CLIENT_CERT", "/nowhere.pem")
    monkeypatch.setattr("hvac.v1.VAULT_CLIENT_KEY", "/nowhere.key")
    assert Client(token="").adapter._kwargs["cert"] == ("/nowhere.pem", "/nowhere.key"), "hvac would"
    with wire(lambda peer: peer.say(http(SECRET))) as server:
        assert not vault(server).client.adapter._kwargs["cert"]
