"""Tests that mock the API mock the SDK's real wire, and an unmocked call never gets out."""

from __future__ import annotations

import json

import httpx
import httpx2
import openai
import pytest
import respx

from clients import KEY, make_client
from network import NetworkUsed
from safechat import ChatClientWrapper
from wire import completion, http, wire

URL = "https://api.openai.com/v1/chat/completions"


@pytest.mark.parametrize("kind", ["async", "sync"])
def test_respx_sees_the_request_of_the_sdk(kind: str, httpx2_mock: respx.Router) -> None:
    route = httpx2_mock.post(URL).mock(return_value=httpx.Response(200, json=completion()))
    with ChatClientWrapper(make_client(kind)) as chat:
        assert chat.generate("Merhaba").text == "Merhaba!"
    assert route.call_count == 1
    assert route.calls[0].request.headers["authorization"] == f"Bearer {KEY}"


@pytest.mark.httpx2(assert_all_called=False)
@pytest.mark.parametrize("kind", ["async", "sync"])
def test_a_call_without_a_route_fails_by_name(kind: str, httpx2_mock: respx.Router) -> None:
    httpx2_mock.post("https://example.org/").mock(return_value=httpx.Response(200))
    with ChatClientWrapper(make_client(kind)) as chat, pytest.raises(AssertionError, match="not mocked"):
        chat.generate("Merhaba")


@pytest.mark.parametrize("kind", ["async", "sync", "plain"])
def test_a_call_that_nobody_mocked_never_reaches_the_network(kind: str) -> None:
    with ChatClientWrapper(make_client(kind)) as chat, pytest.raises(NetworkUsed, match=r"api\.openai\.com"):
        chat.generate("Merhaba")


def test_a_mock_of_the_synchronous_half_alone_is_honoured(monkeypatch: pytest.MonkeyPatch) -> None:
    def answer(_: object, request: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(200, json=completion("taklit"), request=request)

    with ChatClientWrapper(make_client("sync")) as chat:
        with monkeypatch.context() as patch:
            patch.setattr(httpx2.HTTPTransport, "handle_request", answer)
            assert chat.generate("Merhaba").text == "taklit"
        with pytest.raises(NetworkUsed):
            chat.generate("Merhaba")


@pytest.mark.parametrize("kind", ["async", "sync"])
def test_a_mock_that_begins_after_the_first_call_is_honoured(kind: str) -> None:
    with wire(lambda peer: peer.say(http(json.dumps(completion()).encode()))) as server:
        with ChatClientWrapper(make_client(kind, server.base_url)) as chat:
            assert chat.generate("Merhaba").text == "Merhaba!"
            with respx.mock(using="httpcore2") as router:
                router.post(f"{server.base_url}/chat/completions").mock(
                    return_value=httpx.Response(200, json=completion("taklit"))
                )
                assert chat.generate("Merhaba").text == "taklit"
            assert chat.generate("Merhaba").text == "Merhaba!"


def test_respx_alone_does_not_see_the_sdk_and_the_guard_still_holds() -> None:
    with respx.mock, pytest.raises(NetworkUsed):
        openai.OpenAI(api_key=KEY, max_retries=0).chat.completions.create(
            model="gpt-5-mini", messages=[{"role": "user", "content": "x"}]
        )
