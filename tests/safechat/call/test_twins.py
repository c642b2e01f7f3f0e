"""A synchronous client of the SDK is called through its asynchronous twin, which sends the same."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import httpx2
import openai
import pytest
import respx
from openai.auth import WorkloadIdentity

from clients import KEY, once
from key_sources import Source
from safechat import ChatClientWrapper, KeyUnavailable
from safechat.call.clients import has_twin
from wire import Wire, completion, http, wire

OF_THE_CLASS = {"user-agent", "x-stainless-async", "x-stainless-raw-response", "x-stainless-read-timeout"}
AZURE: dict[str, Any] = {"azure_endpoint": "https://example.openai.azure.com", "api_version": "2025-01-01"}
CLIENTS: dict[str, Callable[[], openai.OpenAI]] = {
    "plain": lambda: openai.OpenAI(
        api_key=KEY,
        base_url="https://example.org/v1",
        organization="org",
        project="proj",
        default_headers={"x-team": "a"},
        default_query={"tenant": "b"},
    ),
    "key callable": lambda: openai.OpenAI(api_key=lambda: KEY),
    "azure": lambda: openai.AzureOpenAI(api_key="azure-0123456789", **AZURE),
    "azure deployment": lambda: openai.AzureOpenAI(api_key="azure-0123", azure_deployment="d", **AZURE),
    "azure base URL": lambda: openai.AzureOpenAI(
        api_key="azure-0123", base_url="https://example.org/openai", api_version="1", organization="org"
    ),
    "azure token": lambda: openai.AzureOpenAI(azure_ad_token="token-0123456789", **AZURE),
    "azure provider": lambda: openai.AzureOpenAI(azure_ad_token_provider=lambda: "token-0123456789", **AZURE),
}


@pytest.mark.parametrize("client_of", CLIENTS.values(), ids=CLIENTS)
def test_the_twin_sends_what_the_client_would_have_sent(
    client_of: Callable[[], openai.OpenAI], httpx2_mock: respx.Router
) -> None:
    route = httpx2_mock.post(url__regex=".*").mock(return_value=httpx.Response(200, json=completion()))
    client = client_of()
    assert has_twin(client)
    client.chat.completions.create(
        model="gpt-x", messages=[{"role": "user", "content": "Merhaba"}], timeout=9.0
    )
    with once(client, timeout=9.0) as chat:
        chat.generate("Merhaba", "gpt-x")
    by_client, by_twin = (
        (
            str(call.request.url),
            call.request.content,
            {name: value for name, value in call.request.headers.items() if name not in OF_THE_CLASS},
        )
        for call in route.calls
    )
    assert by_twin == by_client


def test_the_twin_of_an_azure_client_lists_models_where_the_client_does(httpx2_mock: respx.Router) -> None:
    route = httpx2_mock.get(url__regex=".*").mock(return_value=httpx.Response(200, json={"data": []}))
    client = openai.AzureOpenAI(api_key="azure-0123", azure_deployment="d", **AZURE)
    client.models.list()
    with once(client) as chat:
        chat.dispatcher.run(lambda layers: layers.calls[0].models(5.0))
    by_client, by_twin = (str(call.request.url) for call in route.calls)
    assert by_twin == by_client


class Subclass(openai.OpenAI):
    pass


IDENTITY: WorkloadIdentity = {
    "identity_provider_id": "i",
    "service_account_id": "s",
    "provider": {"token_type": "jwt", "get_token": lambda: "t"},
}
WITHOUT_A_TWIN: dict[str, Callable[[], openai.OpenAI]] = {
    "http_client made by hand": lambda: openai.OpenAI(api_key=KEY, http_client=openai.DefaultHttpxClient()),
    "subclass": lambda: Subclass(api_key=KEY),
    "workload identity": lambda: openai.OpenAI(workload_identity=IDENTITY),
}


@pytest.mark.parametrize("client_of", WITHOUT_A_TWIN.values(), ids=WITHOUT_A_TWIN)
def test_other_clients_have_no_twin(client_of: Callable[[], openai.OpenAI]) -> None:
    assert not has_twin(client_of())


def test_a_client_whose_class_is_traced_has_no_twin(monkeypatch: pytest.MonkeyPatch) -> None:
    create = openai.resources.chat.Completions.create

    def traced(*args: Any, **kwargs: Any) -> Any:
        return create(*args, **kwargs)

    monkeypatch.setattr(openai.resources.chat.Completions, "create", traced)
    assert not has_twin(openai.OpenAI(api_key=KEY))


@pytest.fixture
def server() -> Iterator[Wire]:
    with wire(lambda peer: peer.say(http(b'{"choices":[{"message":{"content":"ok"}}]}'))) as running:
        yield running


async def test_calls_through_a_twin_need_no_threads(server: Wire) -> None:
    before = threading.enumerate()  # an earlier test's may not have ended yet
    client = openai.OpenAI(api_key=KEY, base_url=server.base_url)
    async with ChatClientWrapper(client) as chat:
        await asyncio.gather(*(chat.generate_async("Merhaba") for _ in range(20)))
        names = {thread.name for thread in threading.enumerate() if thread not in before}
    assert "safechat-call" not in names


def test_a_key_callable_that_blocks_holds_no_other_call_up(server: Wire) -> None:
    asked = 0
    entered, release = threading.Event(), threading.Event()

    def key() -> str:
        nonlocal asked
        asked += 1
        if asked == 1:
            entered.set()
            assert release.wait(60)
        return KEY

    client = openai.OpenAI(api_key=key, base_url=server.base_url)
    with ChatClientWrapper(client, timeout=60) as chat, ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(chat.generate, "Merhaba")
        assert entered.wait(60)
        assert chat.generate("Merhaba").text == "ok"
        assert not waiting.done()
        release.set()
        assert waiting.result().text == "ok"


@pytest.mark.parametrize("kind", [openai.AzureOpenAI, openai.AsyncAzureOpenAI])
def test_a_token_provider_that_fails_is_key_unavailable(kind: Callable[..., object]) -> None:
    def broken() -> str:
        raise LookupError("no such identity")

    client = kind(azure_ad_token_provider=broken, **AZURE)
    with once(client) as chat, pytest.raises(KeyUnavailable, match="no such identity"):
        chat.generate("Merhaba")


async def never_asked() -> str:
    return "its-own-token"


OWN_TOKENS: dict[str, Callable[[], object]] = {
    "a token": lambda: openai.AzureOpenAI(azure_ad_token="its-own-token", **AZURE),
    "an asynchronous client's token": lambda: openai.AsyncAzureOpenAI(
        azure_ad_token="its-own-token", **AZURE
    ),
    "a provider": lambda: openai.AsyncAzureOpenAI(azure_ad_token_provider=never_asked, **AZURE),
    "in threads": lambda: openai.AzureOpenAI(
        azure_ad_token="its-own-token", http_client=httpx2.Client(), **AZURE
    ),
}


@pytest.mark.parametrize("client", OWN_TOKENS.values(), ids=list(OWN_TOKENS))
def test_the_key_of_each_request_goes_before_the_clients_own_token(
    client: Callable[[], object], httpx2_mock: respx.Router
) -> None:
    route = httpx2_mock.post(url__regex=".*").mock(return_value=httpx.Response(200, json=completion()))
    with ChatClientWrapper(client(), keys=Source(time.monotonic)) as chat:
        chat.generate("Merhaba", "m")
    headers = route.calls[0].request.headers
    assert headers["api-key"] == "sk-number-1-0000000000"
    assert "its-own-token" not in str(headers)
