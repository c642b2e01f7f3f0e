"""Errors are plain values: they pickle, and they hold no key."""

from __future__ import annotations

import copy
import json
import pickle
import traceback
from collections.abc import Iterator

import openai
import pytest

import safechat
from clients import KEY, KINDS, make_client, once
from safechat import ChatError, ChatReply, ConnectionFailed, KeyUnavailable, RefusedReply, TruncatedReply
from safechat.usage import Usage
from wire import http, wire


def every_class(root: type[ChatError] = ChatError) -> Iterator[type[ChatError]]:
    yield root
    for child in root.__subclasses__():
        yield from every_class(child)


CLASSES = [cls for cls in every_class() if cls.__module__ == ChatError.__module__]  # not another test's


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
def test_every_error_survives_pickling_and_copying(cls: type[ChatError]) -> None:
    error = cls("ne oldu: 429", usage=Usage(9, 5, 14), partial_text="Mer", sent=False, falls_back=True)
    error.attempts, error.retry_after, error.request_id, error.retryable = 3, 1.5, "req_1", True
    for other in (pickle.loads(pickle.dumps(error)), copy.copy(error), copy.deepcopy(error)):
        assert type(other) is cls
        assert str(other) == "ne oldu: 429"
        assert vars(other) == vars(error)


def test_a_truncated_reply_keeps_its_text_through_pickling() -> None:
    error = TruncatedReply("kesildi", partial_text="Mer", model="m")
    assert pickle.loads(pickle.dumps(error)).partial_text == "Mer"


def test_the_reply_that_an_error_is_about_is_left_out_of_its_copies() -> None:
    error = RefusedReply("no")
    error.reply = ChatReply(text="", model="m", raw={"a": 1})
    assert pickle.loads(pickle.dumps(error)).reply is None
    assert "reply" not in vars(copy.copy(error))


def test_every_error_is_exported_documented_and_has_a_kind_of_its_own() -> None:
    assert {cls.__name__ for cls in CLASSES} <= set(safechat.__all__)
    assert all(cls.__doc__ for cls in CLASSES)
    assert len({cls.kind for cls in CLASSES}) == len(CLASSES)


def test_the_tree_in_the_docstring_is_the_tree() -> None:
    assert safechat.errors.__doc__ is not None
    drawn = [line.split("──")[1].split()[0] for line in safechat.errors.__doc__.splitlines() if "──" in line]
    assert sorted(drawn) == sorted(cls.__name__ for cls in CLASSES if cls is not ChatError)


def reachable(root: object) -> Iterator[object]:
    """All that can be reached from an error by attributes, items and exceptions, frames left out."""
    seen: set[int] = set()
    waiting = [root]
    while waiting:
        value = waiting.pop()
        if id(value) in seen:
            continue
        seen.add(id(value))
        yield value
        if isinstance(value, BaseException):
            waiting += [value.args, value.__cause__, value.__context__]
        if isinstance(value, dict):
            waiting += [*value.keys(), *value.values()]
        elif isinstance(value, list | tuple | set | frozenset):
            waiting += list(value)
        elif hasattr(value, "__dict__") and not isinstance(value, type):
            waiting.append(vars(value))


FAULTS = {
    "401": http(json.dumps({"error": {"message": f"wrong key {KEY}", "code": "invalid_api_key"}}).encode(),
                status="401 Unauthorized"),
    "500": http(b"{}", status="500 Oops"),
    "html with the key": http(f"<html>{KEY}</html>".encode()),
    "error object with the key": http(json.dumps({"error": {"message": KEY}}).encode()),
    "cut": http(b"{", length=99),
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("fault", FAULTS)
def test_no_error_holds_the_key(kind: str, fault: str) -> None:
    def script(peer: object) -> None:
        peer.say(FAULTS[fault])  # type: ignore[attr-defined]
        peer.close()  # type: ignore[attr-defined]

    with (
        wire(script) as server,
        once(make_client(kind, server.base_url)) as chat,
        pytest.raises(ChatError) as caught,
    ):
        chat.generate("Merhaba")
    error = caught.value
    assert error.__cause__ is None
    assert error.__context__ is None
    for value in reachable(error):
        assert KEY not in str(value)
        assert KEY not in repr(value)
        assert not type(value).__module__.startswith(("openai", "httpx"))
    shown = traceback.TracebackException.from_exception(error, capture_locals=True)
    assert KEY not in "".join(shown.format())


def test_a_refused_connection_holds_no_key() -> None:
    with once(make_client("async", "http://127.0.0.1:9/v1")) as chat:
        with pytest.raises(ConnectionFailed) as caught:
            chat.generate("Merhaba")
    assert all(KEY not in repr(value) for value in reachable(caught.value))


@pytest.mark.parametrize("asynchronous", [True, False])
def test_what_a_key_callable_raises_is_key_unavailable(asynchronous: bool) -> None:
    def broken() -> str:
        raise LookupError("no such secret")

    async def broken_async() -> str:
        return broken()

    client = openai.AsyncOpenAI(api_key=broken_async) if asynchronous else openai.OpenAI(api_key=broken)
    with once(client) as chat, pytest.raises(KeyUnavailable, match="no such secret"):
        chat.generate("Merhaba")


def test_a_client_with_an_empty_key_says_so() -> None:
    client = openai.OpenAI(api_key=KEY)
    client.api_key = ""
    with once(client) as chat:
        with pytest.raises(safechat.AuthenticationFailed, match="no API key"):
            chat.generate("Merhaba")


def test_an_exception_that_nobody_foresaw_is_still_a_chat_error() -> None:
    class Odd:
        def create(self, **_: object) -> object:
            raise ZeroDivisionError("division by zero")

    odd = type("Client", (), {"chat": type("Chat", (), {"completions": Odd()})()})()
    with once(odd) as chat, pytest.raises(ChatError, match="ZeroDivisionError") as caught:
        chat.generate("Merhaba")
    assert caught.value.kind == "error"


@pytest.mark.parametrize("key", ["9f86d081884c7d659a2feaa0c55ad015\n", "pa$$w0rd!verysecret#2\n"])
@pytest.mark.parametrize("kind", [openai.OpenAI, openai.AsyncOpenAI])
def test_a_key_with_a_line_break_is_named_as_the_trouble_and_not_shown(kind: type, key: str) -> None:
    with wire(lambda peer: peer.say(http(b"{}"))) as server:
        with once(kind(api_key=key, base_url=server.base_url)) as chat:
            with pytest.raises(safechat.AuthenticationFailed, match="a line break") as caught:
                chat.generate("Merhaba")
    assert key.strip() not in str(caught.value)


def test_what_an_api_echoes_in_code_and_param_is_redacted_too() -> None:
    error = {"message": "no", "code": KEY, "param": f"Bearer {KEY}", "type": KEY}
    answer = http(json.dumps({"error": error}).encode(), status="400 Bad Request")
    with wire(lambda peer: peer.say(answer)) as server, once(make_client("async", server.base_url)) as chat:
        with pytest.raises(ChatError) as caught:
            chat.generate("Merhaba")
    assert all(KEY not in repr(value) for value in reachable(caught.value))


def test_an_azure_token_is_a_secret_too() -> None:
    token = "eyJhbGciOiJSUzI1NiJ9.c2VjcmV0cGFydA.c2ln"
    answer = http(json.dumps({"error": {"message": f"bad token {token}"}}).encode(), status="401 No")
    with wire(lambda peer: peer.say(answer)) as server:
        client = openai.AsyncAzureOpenAI(
            azure_ad_token=token, azure_endpoint=server.base_url.removesuffix("/v1"), api_version="1"
        )
        with once(client) as chat, pytest.raises(safechat.AuthenticationFailed) as caught:
            chat.generate("Merhaba", "m")
    assert token not in str(caught.value)
