"""Calls whose key comes from a real Vault, while that breaks, rotates or ends its tokens under load."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import httpx2
import openai
import pytest

from odev.classroom.api import APIServer
from safechat import AuthenticationFailed, ChatClientWrapper, ChatReply, RateLimits, VaultKeys
from servers import API_KEY, Secret, Server, front, furnish
from wire import completion

NEWER = "sk-proj-newer0000000000000000"


class API:
    """The chat API on a mocked wire: it takes some keys only."""

    def __init__(self, *good: str) -> None:
        self.good = set(good)
        self.refused = self.answered = 0

    def client(self, kind: str = "async") -> Any:
        if kind == "sync":
            transport = httpx2.MockTransport(self._answer)
            return openai.OpenAI(api_key="none", http_client=httpx2.Client(transport=transport))
        transport = httpx2.MockTransport(self._answer_async)
        return openai.AsyncOpenAI(api_key="none", http_client=httpx2.AsyncClient(transport=transport))

    def _answer(self, request: httpx2.Request) -> httpx2.Response:
        if request.headers["authorization"].removeprefix("Bearer ") not in self.good:
            self.refused += 1
            error = {"message": "Incorrect API key provided", "code": "invalid_api_key"}
            return httpx2.Response(401, json={"error": error})
        self.answered += 1
        return httpx2.Response(200, json=completion())

    async def _answer_async(self, request: httpx2.Request) -> httpx2.Response:
        await asyncio.sleep(0.01)
        return self._answer(request)


def wrapper(api: API, keys: VaultKeys, kind: str = "async") -> ChatClientWrapper:
    return ChatClientWrapper(
        api.client(kind), keys=keys, limits=RateLimits(requests_per_minute=1e6, concurrency=200)
    )


async def calls(chat: ChatClientWrapper, until: Callable[[], bool], at_once: int = 200) -> list[ChatReply]:
    """Run `at_once` series of calls at the same time until the condition holds. Raises what a call raises."""
    replies: list[ChatReply] = []

    async def one_after_another() -> None:
        while not until():
            replies.append(await chat.generate_async("Merhaba"))

    await asyncio.gather(*(one_after_another() for _ in range(at_once)))
    return replies


def seal(server: Server, secret: Secret) -> None:
    secret.root.sys.seal()


def pause(server: Server, _: Secret) -> None:
    server.pause()


def kill(server: Server, _: Secret) -> None:
    server.kill()


@pytest.mark.parametrize("breaks", [seal, pause, kill])
async def test_no_call_is_lost_while_a_key_is_in_hand(
    breaks: Callable[[Server, Secret], None], own_server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "safechat")
    secret, api = furnish(own_server), API(API_KEY)

    def stale() -> int:
        return sum(record.msg == "keys.stale" for record in caplog.records)

    async with wrapper(api, secret.keys(ttl=0.2, timeout=(0.5, 0.5))) as chat:
        await calls(chat, until=lambda: api.answered >= 200)
        await asyncio.to_thread(breaks, own_server, secret)
        enough = api.answered + 400
        replies = await calls(chat, until=lambda: stale() >= 2 and api.answered >= enough)
    assert len(replies) >= 400
    assert api.refused == 0


async def test_a_token_that_ends_under_load_costs_no_call(vault_server: Server) -> None:
    secret, api = furnish(vault_server, ttl="2s"), API(API_KEY)
    with front(vault_server) as seen:

        def ended_twice() -> bool:
            return seen.count("/login") >= 3 and api.answered > 200

        async with wrapper(api, secret.keys(seen.address, ttl=0.1)) as chat:
            replies = await calls(chat, until=ended_twice, at_once=4)
    assert len(replies) > 200
    assert api.refused == 0


@pytest.mark.parametrize("kind", ["async", "sync"])
async def test_a_rotated_key_takes_effect_after_one_401_and_without_a_restart(
    kind: str, secret: Secret
) -> None:
    api = API(API_KEY)
    async with wrapper(api, secret.keys(), kind) as chat:
        assert (await chat.generate_async("Merhaba")).attempts == 1
        secret.put(api_key=NEWER)
        api.good = {NEWER}
        assert (await chat.generate_async("Merhaba")).attempts == 2
        assert (await chat.generate_async("Merhaba")).attempts == 1
    assert (api.refused, api.answered) == (1, 3)


async def test_a_key_that_is_rotated_under_load_costs_one_read_and_no_call(secret: Secret) -> None:
    api = API(API_KEY)
    with front(secret.server) as seen:
        async with wrapper(api, secret.keys(seen.address)) as chat:
            await calls(chat, until=lambda: api.answered >= 200)
            secret.put(api_key=NEWER)
            api.good = {NEWER}
            enough = api.answered + 400
            replies = await calls(chat, until=lambda: api.answered >= enough)
        assert seen.count("/data/") == 2
    assert {reply.attempts for reply in replies} == {1, 2}
    assert api.refused <= 200


async def test_calls_that_wait_for_a_limit_take_the_key_when_their_turn_has_come(secret: Secret) -> None:
    api = API(API_KEY)
    limits = RateLimits(requests_per_minute=1200, concurrency=4)
    async with ChatClientWrapper(api.client(), keys=secret.keys(), limits=limits) as chat:
        await chat.generate_async("Merhaba")
        waiting = [asyncio.create_task(chat.generate_async("Merhaba")) for _ in range(30)]
        await asyncio.sleep(0.3)
        secret.put(api_key=NEWER)
        api.good = {NEWER}
        await asyncio.gather(*waiting)
    assert api.refused <= 4  # those that were on their way


async def test_a_key_that_was_revoked_and_not_replaced_is_no_storm_on_vault(secret: Secret) -> None:
    api = API()
    with front(secret.server) as seen:
        async with wrapper(api, secret.keys(seen.address)) as chat:
            for _ in range(30):
                with pytest.raises(AuthenticationFailed):
                    await chat.generate_async("Merhaba")
        assert seen.count("/data/") <= 3
    assert api.refused == 30


async def test_closing_the_wrapper_gives_the_login_back(secret: Secret) -> None:
    with front(secret.server) as seen:
        async with wrapper(API(API_KEY), secret.keys(seen.address)) as chat:
            await chat.generate_async("Merhaba")
            assert seen.count("revoke-self") == 0
        assert seen.count("revoke-self") == 1


def test_from_env_takes_the_key_from_vault(secret: Secret, monkeypatch: pytest.MonkeyPatch) -> None:
    server = APIServer(API_KEY)
    api = server.start()
    try:
        for name, value in {
            "OPENAI_BASE_URL": api.base_url,
            "OPENAI_API_KEY": "sk-not-this-one-0000",
            "VAULT_ADDR": secret.server.address,
            "VAULT_ROLE_ID": secret.role_id,
            "VAULT_SECRET_ID": secret.secret_id,
            "SAFECHAT_KEY_PATH": secret.path,
        }.items():
            monkeypatch.setenv(name, value)
        with ChatClientWrapper.from_env() as chat:
            assert "Merhaba" in chat.generate("Merhaba").text
            assert list(chat.stream("Merhaba"))
    finally:
        server.stop()


@pytest.mark.parametrize("missing", ["VAULT_ROLE_ID", "VAULT_SECRET_ID", "SAFECHAT_KEY_PATH"])
def test_from_env_says_what_is_missing(missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    names = {
        "VAULT_ADDR": "http://127.0.0.1:8200",
        "VAULT_ROLE_ID": "role",
        "VAULT_SECRET_ID": "secret",
        "SAFECHAT_KEY_PATH": "a/b",
    }
    del names[missing]
    for name, value in names.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ValueError, match=missing):
        ChatClientWrapper.from_env()
