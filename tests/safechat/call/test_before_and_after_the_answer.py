"""A key that no header can carry, a token provider that fails, a body that cannot be unpacked."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from typing import Any

import openai
import pytest

from clients import KINDS, make_client, once
from safechat import AuthenticationFailed, ChatError, KeyUnavailable, MalformedReply, RequestRejected
from wire import completion, http, wire

every_kind = pytest.mark.parametrize("kind", KINDS)
sdk = pytest.mark.parametrize("kind", ["async", "sync"])
WHOLE = json.dumps(completion()).encode()


def failed(client: object, **params: Any) -> ChatError:
    with once(client) as chat, pytest.raises(ChatError) as caught:
        chat.generate("Merhaba", **params)
    return caught.value


UNSENDABLE = {
    "a Turkish letter": ("sk-proj-4f8a2cıd91", "the character 'ı'"),
    "curly quotes": ("“sk-proj-4f8a2cd91”", "the character '“'"),
    "a line break": ("sk-proj-4f8a2cd91\n", "a line break"),
    "a line break within": ("sk-proj\r\n-4f8a2cd91", "a line break"),
}


@every_kind
@pytest.mark.parametrize("name", UNSENDABLE)
def test_a_key_that_no_header_can_carry_is_named_as_such(kind: str, name: str) -> None:
    key, words = UNSENDABLE[name]
    with wire(lambda peer: peer.say(http(WHOLE))) as server:
        client: Any = make_client(kind, server.base_url)
        client.api_key = key
        error = failed(client)
        assert server.requests == []
    assert type(error) is AuthenticationFailed
    assert f"the client's API key holds {words}, which no header can carry" in str(error)
    assert "4f8a2c" not in repr(error)
    assert not error.sent


def azure(kind: str, base_url: str, **options: Any) -> object:
    make: Any = openai.AsyncAzureOpenAI if kind == "async" else openai.AzureOpenAI
    return make(azure_endpoint=base_url.removesuffix("/v1"), api_version="2024-10-21", **options)


@sdk
@pytest.mark.parametrize(("key", "words"), [("4f8a2cd91ı7e5b", "'ı'"), ("4f8a2cd917e5b\n", "a line break")])
def test_azures_key_is_named_as_such_too(kind: str, key: str, words: str) -> None:
    with wire(lambda peer: peer.say(http(WHOLE))) as server:
        error = failed(azure(kind, server.base_url, api_key=key))
    assert type(error) is AuthenticationFailed
    assert words in str(error)
    assert "4f8a2c" not in repr(error)


@sdk
@pytest.mark.parametrize(("name", "words"), [("Şule", "the character 'Ş'"), ("Ali\nVeli", "a line break")])
def test_another_header_that_cannot_be_sent_is_not_called_the_key(kind: str, name: str, words: str) -> None:
    with wire(lambda peer: peer.say(http(WHOLE))) as server:
        error = failed(make_client(kind, server.base_url), extra_headers={"X-User": name})
    assert type(error) is RequestRejected
    assert f"a header of the request holds {words}" in str(error)
    assert not error.sent


def no_tenant() -> str:
    raise RuntimeError("no tenant, key sk-proj-4f8a2cd91e5b")


async def no_tenant_async() -> str:
    raise RuntimeError("no tenant, key sk-proj-4f8a2cd91e5b")


async def too_late() -> str:
    raise TimeoutError("no tenant in 5 s")


PROVIDERS: dict[str, tuple[str, Callable[[], object], str]] = {
    "synchronous": ("sync", no_tenant, "no tenant"),
    "synchronous, in the async client": ("async", no_tenant, "no tenant"),
    "asynchronous": ("async", no_tenant_async, "no tenant"),
    "too late": ("async", too_late, "no tenant in 5 s"),
    "an empty token": ("sync", lambda: "", "azure_ad_token_provider"),
}


@pytest.mark.parametrize("name", PROVIDERS)
def test_a_token_provider_that_fails_leaves_no_key_to_call_with(name: str) -> None:
    kind, provider, words = PROVIDERS[name]
    with wire(lambda peer: peer.say(http(WHOLE))) as server:
        error = failed(azure(kind, server.base_url, azure_ad_token_provider=provider))
        assert server.requests == []
    assert type(error) is KeyUnavailable
    assert words in str(error)
    assert "4f8a2c" not in str(error)
    assert error.__context__ is None


def test_a_token_that_a_provider_gives_is_used() -> None:
    with wire(lambda peer: peer.say(http(WHOLE))) as server:
        with once(azure("sync", server.base_url, azure_ad_token_provider=lambda: "token-1")) as chat:
            assert chat.generate("Merhaba").text == "Merhaba!"


PACKED = gzip.compress(WHOLE)

CORRUPT = {
    "a byte flipped": PACKED[:20] + bytes([PACKED[20] ^ 0xFF]) + PACKED[21:],
    "a wrong checksum": PACKED[:-8] + b"\0" * 8,
    "cut": PACKED[:40],
    "not packed": WHOLE,
    "nothing": b"",
}


@sdk
@pytest.mark.parametrize("name", CORRUPT)
def test_a_corrupt_gzip_body_is_a_malformed_reply(kind: str, name: str) -> None:
    body = http(CORRUPT[name], headers="content-encoding: gzip\r\n")
    with wire(lambda peer: peer.say(body)) as server:
        error = failed(make_client(kind, server.base_url))
    assert type(error) is MalformedReply
    assert error.retryable
    assert error.sent


@sdk
def test_a_corrupt_gzip_stream_is_a_malformed_reply(kind: str) -> None:
    head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-encoding: gzip\r\n"
    body = CORRUPT["a byte flipped"]
    answer = f"{head}content-length: {len(body)}\r\n\r\n".encode() + body
    with wire(lambda peer: peer.say(answer)) as server, once(make_client(kind, server.base_url)) as chat:
        with pytest.raises(MalformedReply):
            list(chat.stream("Merhaba"))
