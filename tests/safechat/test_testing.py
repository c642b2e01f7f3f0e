"""What safechat.testing gives to other people's tests."""

from __future__ import annotations

import time

import pytest

from safechat import ChatClientWrapper, ChatReply, ChatRequest, RateLimited, ServerError
from safechat.retry import Retried
from safechat.runtime import clock
from safechat.testing import ScriptedClient, ScriptedHandler, no_waiting


def test_no_waiting_skips_backoff_and_retry_after() -> None:
    client = ScriptedClient(RateLimited("429", retry_after=50.0), ServerError("503"), "Merhaba!")
    started = time.monotonic()
    with no_waiting(), ChatClientWrapper(client) as chat:
        assert chat.generate("Merhaba").attempts == 3
    assert time.monotonic() - started < 45, "50 s of Retry-After were asked for"


def test_no_waiting_changes_no_decision() -> None:
    client = ScriptedClient(RateLimited("429", retry_after=500.0), "never")
    with no_waiting(), ChatClientWrapper(client) as chat, pytest.raises(RateLimited):
        chat.generate("Merhaba")


def test_no_waiting_ends_with_its_block() -> None:
    with no_waiting():
        assert clock.seconds(5) == 0
    assert clock.seconds(5) == 5


async def test_a_scripted_handler_follows_its_script_and_keeps_its_requests() -> None:
    handler = ScriptedHandler(ServerError("503"), ChatReply("hazır", "m"), "son")
    request = ChatRequest(({"role": "user", "content": "x"},), "m")
    with no_waiting():
        assert (await Retried(handler)(request)).text == "hazır"
    assert [(await handler(request)).text for _ in range(2)] == ["son", "son"]
    assert len(handler.requests) == 4


def test_a_scripted_client_streams_too() -> None:
    with ChatClientWrapper(ScriptedClient("bir iki üç")) as chat:
        assert list(chat.stream("say")) == ["bir", " iki", " üç"]


@pytest.mark.parametrize("kind", [ScriptedHandler, ScriptedClient])
def test_an_empty_script_is_refused(kind: type) -> None:
    with pytest.raises(ValueError, match="at least one outcome"):
        kind()
