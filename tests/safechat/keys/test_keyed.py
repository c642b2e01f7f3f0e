"""Keyed: every request has the key of its source, and after a 401 a newer key, once."""

from __future__ import annotations

import time
from typing import Any

import httpx2
import openai
import pytest
from pydantic import SecretStr

from key_sources import Source
from safechat import (
    AuthenticationFailed,
    BreakerPolicy,
    ChatClientWrapper,
    ChatReply,
    ChatRequest,
    Key,
    KeyUnavailable,
    RetryPolicy,
    ServerError,
)
from safechat.call.clients import key_in_use
from safechat.fallback import Fallback
from safechat.keys.layer import Keyed
from safechat.retry import Retried
from safechat.testing import ScriptedClient
from wire import completion

REQUEST = ChatRequest(({"role": "user", "content": "Merhaba"},), "a")


class API:
    """A handler that takes some keys only."""

    def __init__(self, *good: int) -> None:
        self.good = {f"sk-number-{number}-0000000000" for number in good}
        self.requests = 0

    async def __call__(self, request: ChatRequest) -> ChatReply:
        self.requests += 1
        if key_in_use() not in self.good:
            raise AuthenticationFailed("401", status=401, model=request.model)
        return ChatReply("ok", request.model)


async def test_a_401_is_asked_once_more_with_a_newer_key(keys: Source) -> None:
    await keys.get()
    keys.answer = 2
    api = API(2)
    assert (await Keyed(api, keys)(REQUEST)).attempts == 2
    assert (await Keyed(api, keys)(REQUEST)).attempts == 1
    assert (api.requests, keys.reads) == (3, 2)


async def test_a_401_without_a_newer_key_is_the_apis_answer(keys: Source) -> None:
    api = API()
    for _ in range(20):
        with pytest.raises(AuthenticationFailed):
            await Keyed(api, keys)(REQUEST)
    assert (api.requests, keys.reads) == (20, 2)


async def test_a_secret_that_was_made_anew_has_another_key_under_the_same_version(keys: Source) -> None:
    class Anew(Source):
        def _read(self) -> Key:
            self.reads += 1
            return Key(SecretStr(f"sk-number-{self.reads}-0000000000"), 1)

    anew = Anew(time.monotonic)
    await anew.get()
    assert (await Keyed(API(2), anew)(REQUEST)).text == "ok"


async def test_a_401_that_was_mended_is_no_failure_of_the_target(keys: Source) -> None:
    await keys.get()
    keys.answer = 2
    api = API(2)

    async def fails(request: ChatRequest) -> ChatReply:
        await api(request)
        raise ServerError("500", status=500, model=request.model)

    keyed = Keyed(fails, keys)
    layers = Fallback(Retried(keyed, RetryPolicy(attempts=1)), breaker=BreakerPolicy(failures=2))
    with pytest.raises(ServerError) as caught:
        await layers(REQUEST)
    assert caught.value.attempts == 2
    with pytest.raises(ServerError):  # and not CircuitOpen
        await layers(REQUEST)


async def test_a_newer_key_that_is_refused_too_is_not_asked_a_third_time(keys: Source) -> None:
    await keys.get()
    keys.answer = 2
    api = API()
    with pytest.raises(AuthenticationFailed) as caught:
        await Keyed(api, keys)(REQUEST)
    assert (api.requests, caught.value.attempts) == (2, 2)


class Broken:
    async def get(self, not_version: int | None = None) -> Key:
        raise LookupError("Bearer abcdefghijklmnop")


async def test_a_source_of_somebody_else_that_fails_is_a_key_unavailable() -> None:
    with pytest.raises(KeyUnavailable, match="LookupError") as caught:
        await Keyed(API(), Broken())(REQUEST)
    assert "abcdefghijklmnop" not in str(caught.value)
    assert caught.value.__cause__ is caught.value.__context__ is None


@pytest.mark.parametrize("wrong", ["sk-a-key-in-place", {"get": 1}, object()])
def test_what_is_no_source_is_refused_without_showing_it(wrong: object) -> None:
    with pytest.raises(TypeError, match="keys must be a KeySource") as caught:
        ChatClientWrapper(openai.OpenAI(api_key="x"), keys=wrong)  # type: ignore[arg-type]
    assert "sk-a-key" not in str(caught.value)


def test_a_client_that_is_not_the_sdks_has_its_own_key(keys: Source) -> None:
    with pytest.raises(TypeError, match="ScriptedClient has its own key"):
        ChatClientWrapper(ScriptedClient("ok"), keys=keys)


@pytest.mark.parametrize("kind", ["async", "sync", "azure"])
async def test_a_client_whose_create_was_replaced_gets_the_key_too(kind: str, keys: Source) -> None:
    headers: dict[str, str] = {}

    def answer(request: httpx2.Request) -> httpx2.Response:
        headers.update(request.headers)
        return httpx2.Response(200, json=completion())

    client: Any
    wire = httpx2.MockTransport(answer)
    if kind == "sync":
        client = openai.OpenAI(api_key="its-own-key", http_client=httpx2.Client(transport=wire))
    elif kind == "async":
        client = openai.AsyncOpenAI(api_key="its-own-key", http_client=httpx2.AsyncClient(transport=wire))
    else:
        client = openai.AsyncAzureOpenAI(
            api_key="its-own-key",
            azure_endpoint="https://a.openai.azure.com",
            api_version="2024-10-21",
            http_client=httpx2.AsyncClient(transport=wire),
        )
    original = client.chat.completions.create

    def traced(*args: Any, **kwargs: Any) -> Any:
        return original(*args, **kwargs)

    for replaced in (False, True):
        if replaced:
            client.chat.completions.create = traced
        async with ChatClientWrapper(client, keys=keys) as chat:
            await chat.generate_async("Merhaba")
        sent = headers.get("api-key" if kind == "azure" else "authorization", "")
        assert sent.removeprefix("Bearer ") == "sk-number-1-0000000000"
        assert "its-own-key" not in str(headers)


def test_a_client_that_logs_in_by_itself_is_refused(keys: Source) -> None:
    client = openai.OpenAI(api_key="x", default_headers={"Authorization": "Bearer its-own-key"})
    with pytest.raises(ValueError, match="would not be used") as caught:
        ChatClientWrapper(client, keys=keys)
    assert "its-own" not in str(caught.value)
