"""Clients that run in threads: no more threads than calls at once, and none that a server holds for ever."""

from __future__ import annotations

import asyncio
import threading
from types import SimpleNamespace

import pytest

from clients import make_client, once
from fakes import eventually
from safechat import ChatClientWrapper, ChatError, RateLimits, RequestTimedOut
from wire import Peer, wire


def call_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "safechat-call"]


def silent(peer: Peer) -> None:
    peer.pause(60)


def drips_in_its_head(peer: Peer) -> None:
    peer.say(b"HTTP/1.1 200 OK\r\nx-slow: ")
    while not peer.pause(0.02):
        peer.say(b"a")


def processing_without_end(peer: Peer) -> None:
    while not peer.pause(0.02):
        peer.say(b"HTTP/1.1 102 Processing\r\n\r\n")


def continue_without_end(peer: Peer) -> None:
    while not peer.pause(0.02):
        peer.say(b"HTTP/1.1 100 Continue\r\n\r\n")


async def test_cancelled_calls_leave_no_more_threads_than_calls_at_once() -> None:
    before = set(call_threads())
    with wire(silent) as server:
        async with ChatClientWrapper(
            make_client("thread", server.base_url), limits=RateLimits(concurrency=4)
        ) as chat:
            most = 0
            for _ in range(10):
                calls = [asyncio.create_task(chat.generate_async("Merhaba")) for _ in range(8)]
                await eventually(lambda: bool(set(call_threads()) - before))
                await asyncio.sleep(0.02)
                most = max(most, len(set(call_threads()) - before))
                for call in calls:
                    call.cancel()
                await asyncio.wait(calls)
    assert most <= 4


@pytest.mark.parametrize(
    ("kind", "script"),
    [
        ("thread", drips_in_its_head),
        ("thread", processing_without_end),
        ("plain", drips_in_its_head),
        ("plain", continue_without_end),
    ],
)
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
async def test_an_answer_without_end_holds_no_thread_for_ever(
    kind: str, script: object, stream: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("safechat.runtime.threads._EVERY", 0.05)
    before = set(call_threads())
    with wire(script) as server:  # type: ignore[arg-type]
        with once(make_client(kind, server.base_url), timeout=0.2) as chat:
            with pytest.raises(RequestTimedOut):
                list(chat.stream("Merhaba")) if stream else chat.generate("Merhaba")
            await eventually(lambda: set(call_threads()) <= before)
            with pytest.raises(ChatError):  # the places are free again
                chat.generate("Merhaba")


def test_a_stream_that_comes_too_late_is_let_go() -> None:
    release, closed = threading.Event(), threading.Event()

    def create(**_: object) -> object:
        assert release.wait(60)
        return SimpleNamespace(close=closed.set)

    client = SimpleNamespace(chat=SimpleNamespace(completions=SimpleNamespace(create=create)))
    with once(client, timeout=0.1) as chat:
        with pytest.raises(RequestTimedOut):
            list(chat.stream("Merhaba"))
        release.set()
        assert closed.wait(60)
