"""The wrapper's own connections, by aiohttp and by httpx2: proxies, certificates, and their end."""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import os
import socket
import threading
import warnings
from collections.abc import Iterator
from urllib.parse import quote

import openai
import pytest

from clients import KEY, make_client, once
from fakes import eventually
from processes import run_python
from proxies import CERTIFICATE, PASSWORD, Proxy, proxy, tls_in_front_of
from safechat import BadReply, ChatClientWrapper, ChatError, ConnectionFailed, RequestTimedOut, RetryPolicy
from safechat.call import pool
from sse import ROLE, chunk
from wire import Peer, Wire, completion, http, wire

ANSWER = http(json.dumps(completion()).encode())


@pytest.fixture(params=["aiohttp", "httpx2"])
def transport(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Each of the two ways; without aiohttp, httpx2's is taken."""
    if request.param == "httpx2":
        monkeypatch.setattr(pool, "find_spec", lambda _: None)
    return str(request.param)


@pytest.fixture
def server() -> Iterator[Wire]:
    with wire(lambda peer: peer.say(ANSWER)) as running:
        yield running


def name_of_the_pool() -> str:
    return type(pool.new_pool(aiohttp=True)).__mro__[1].__name__


PROXIES: list[tuple[dict[str, str], str]] = [
    ({}, "aiohttp"),
    ({"HTTPS_PROXY": "http://127.0.0.1:9"}, "aiohttp"),
    ({"HTTPS_PROXY": "127.0.0.1:9"}, "aiohttp"),
    ({"ALL_PROXY": "http://127.0.0.1:9", "NO_PROXY": "example.org"}, "aiohttp"),
    ({"HTTPS_PROXY": "http://user:secret@127.0.0.1:9"}, "httpx2"),
    ({"HTTPS_PROXY": "https://127.0.0.1:9"}, "httpx2"),
    ({"http_proxy": "http://127.0.0.1:9", "https_proxy": "https://127.0.0.1:9"}, "httpx2"),
]


@pytest.mark.parametrize(("environment", "expected"), PROXIES, ids=str)
def test_aiohttp_is_taken_where_it_can_do_what_the_environment_asks(
    environment: dict[str, str], expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert name_of_the_pool() == {"aiohttp": "Httpx2AiohttpClient", "httpx2": "AsyncClient"}[expected]


def test_a_socks_proxy_is_left_to_httpx2(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALL_PROXY", "socks5://127.0.0.1:9")
    assert not pool._aiohttp_serves()


def test_without_aiohttp_the_connections_are_httpx2s(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "find_spec", lambda _: None)
    assert name_of_the_pool() == "AsyncClient"


every_password = pytest.mark.parametrize("password", ["", "secret", PASSWORD])


def address_of(running: Proxy) -> str:
    login = f"user:{quote(running.password)}@" if running.password else ""
    return f"http://{login}127.0.0.1:{running.port}"


@pytest.mark.usefixtures("transport")
@every_password
def test_a_proxy_of_the_environment_is_used_with_its_password(
    password: str, server: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    with proxy(server.port, password) as running:
        monkeypatch.setenv("HTTP_PROXY", address_of(running))
        with once(make_client("async", "http://api.invalid/v1")) as chat:
            assert chat.generate("Merhaba").text == "Merhaba!"
    assert running.asked == ["POST http://api.invalid/v1/chat/completions"]


@pytest.mark.usefixtures("transport")
@every_password
def test_https_goes_through_a_tunnel_and_trusts_ssl_cert_file(
    password: str, server: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(CERTIFICATE))
    with tls_in_front_of(server.port) as tls, proxy(tls, password) as running:
        monkeypatch.setenv("HTTPS_PROXY", address_of(running))
        with once(make_client("async", "https://api.invalid/v1")) as chat:
            assert chat.generate("Merhaba").text == "Merhaba!"
    assert running.asked == ["CONNECT api.invalid:443"]


@pytest.mark.usefixtures("transport")
def test_no_proxy_is_heeded(server: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    with proxy(server.port) as running:
        monkeypatch.setenv("ALL_PROXY", f"http://user:wrong@127.0.0.1:{running.port}")
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        with once(make_client("async", server.base_url)) as chat:
            assert chat.generate("Merhaba").text == "Merhaba!"
    assert (running.asked, running.refused) == ([], 0)


@pytest.mark.usefixtures("transport")
def test_a_proxy_that_refuses_the_tunnel_let_nothing_through(
    server: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    with proxy(server.port) as running:
        monkeypatch.setenv("HTTPS_PROXY", f"http://user:wrong@127.0.0.1:{running.port}")
        with once(make_client("async", "https://api.invalid/v1")) as chat:
            with pytest.raises(ConnectionFailed) as caught:
                chat.generate("Merhaba")
    assert not caught.value.sent
    assert "wrong" not in str(caught.value)


@pytest.mark.usefixtures("transport")
def test_a_certificate_that_nobody_trusts_was_sent_nothing(server: Wire) -> None:
    with tls_in_front_of(server.port) as tls:
        with once(make_client("async", f"https://127.0.0.1:{tls}/v1")) as chat:
            with pytest.raises(ConnectionFailed, match=r"(?i)certificate") as caught:
                chat.generate("Merhaba")
    assert not caught.value.sent


def has_ipv6() -> bool:
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            return True
    except OSError:
        return False


@pytest.mark.usefixtures("transport")
@pytest.mark.skipif(not has_ipv6(), reason="the system has no IPv6")
def test_ipv6_addresses_work(server: Wire) -> None:
    with socket.create_server(("::1", 0), family=socket.AF_INET6) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(ANSWER)

        threading.Thread(target=serve, daemon=True).start()
        with once(make_client("async", f"http://[::1]:{listener.getsockname()[1]}/v1")) as chat:
            assert chat.generate("Merhaba").text == "Merhaba!"


@pytest.mark.usefixtures("transport")
def test_a_connection_that_the_server_closed_meanwhile_fails_no_call() -> None:
    closed = threading.Event()

    def script(peer: Peer) -> None:
        peer.say(ANSWER)
        peer.close()
        closed.set()

    async def stall(_: object) -> None:
        assert closed.wait(60)  # the loop stands still, and learns of it together with the next call

    with wire(script) as server, once(make_client("async", server.base_url)) as chat:
        for _ in range(5):
            closed.clear()
            assert chat.generate("Merhaba").text == "Merhaba!"
            chat.dispatcher.run(stall)
    assert len(server.requests) == 5


@pytest.mark.usefixtures("transport")
@pytest.mark.parametrize("end", ["close", "reset"])
def test_a_server_that_hangs_up_in_place_of_an_answer_was_sent_the_request(end: str) -> None:
    with wire(lambda peer: peer.reset() if end == "reset" else peer.close()) as server:
        with once(make_client("async", server.base_url)) as chat, pytest.raises(ChatError) as caught:
            chat.generate("Merhaba")
    assert type(caught.value) is ConnectionFailed
    assert caught.value.sent


@pytest.mark.usefixtures("transport")
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_an_answer_of_unknown_length_that_is_reset_is_never_taken_for_whole(stream: bool) -> None:
    """aiohttp takes the reset for the end of such an answer; it is the missing rest that shows."""
    kind = b"text/event-stream" if stream else b"application/json"
    start = ROLE + chunk("Mer") if stream else json.dumps(completion()).encode()[:-9]

    def script(peer: Peer) -> None:
        peer.say(b"HTTP/1.1 200 OK\r\ncontent-type: " + kind + b"\r\nconnection: close\r\n\r\n" + start)
        peer.pause(0.05)
        peer.reset()

    with wire(script) as server, once(make_client("async", server.base_url)) as chat:
        with pytest.raises((ConnectionFailed, BadReply)):
            list(chat.stream("Merhaba")) if stream else chat.generate("Merhaba")


def silent(peer: Peer) -> None:
    peer.pause(30)


@pytest.mark.usefixtures("transport")
def test_a_server_that_never_answers_was_sent_the_request() -> None:
    with wire(silent) as server:
        with once(make_client("async", server.base_url), timeout=0.3) as chat:
            with pytest.raises(RequestTimedOut) as caught:
                chat.generate("Merhaba")
    assert caught.value.sent


@pytest.mark.usefixtures("transport")
@pytest.mark.parametrize("way", ["closed", "dropped"])
async def test_no_session_is_left_open(
    way: str, server: Wire, caplog: pytest.LogCaptureFixture, recwarn: pytest.WarningsRecorder
) -> None:
    def loops() -> int:
        return sum(thread.name == "safechat-loop" for thread in threading.enumerate())

    gc.collect()  # what earlier tests have left
    recwarn.clear()
    before = loops()
    with warnings.catch_warnings():
        warnings.simplefilter("always", ResourceWarning)
        chat = ChatClientWrapper(make_client("sync", server.base_url))
        with caplog.at_level(logging.ERROR, "asyncio"):
            await chat.generate_async("Merhaba")
            if way == "closed":
                await chat.aclose()
            del chat
            gc.collect()
            await eventually(lambda: loops() <= before)
            gc.collect()
    assert [record.getMessage() for record in caplog.records if record.name == "asyncio"] == []
    complaints = [str(warning.message) for warning in recwarn]
    assert [words for words in complaints if words.startswith("Unclosed c")] == []  # aiohttp's words


def test_a_layer_that_nobody_closes_leaves_no_complaint(server: Wire) -> None:
    run_python(f"""
import asyncio
from clients import make_client
from safechat import ChatRequest
from safechat.call.layer import OpenAICall
call = OpenAICall(make_client("async", {server.base_url!r}))
asyncio.run(call(ChatRequest(({{"role": "user", "content": "Merhaba"}},), "m")))
""")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork")
def test_a_fork_leaves_the_parents_connections_alone(server: Wire) -> None:
    printed = run_python(f"""
import gc, os
from clients import make_client
from safechat import ChatClientWrapper
chat = ChatClientWrapper(make_client("async", {server.base_url!r}))
chat.generate("before")
for _ in range(3):
    child = os.fork()
    if child == 0:
        chat.generate("child")
        chat.close()
        gc.collect()
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0, "the child failed"
    print(chat.generate("parent", timeout=5))
""")
    assert printed == "Merhaba!\n" * 3


def test_an_http_client_made_by_hand_says_that_it_belongs_to_another_loop(server: Wire) -> None:
    client = openai.AsyncOpenAI(
        api_key=KEY, base_url=server.base_url, http_client=openai.DefaultAsyncHttpxClient()
    )
    asyncio.run(_asked(client))
    with ChatClientWrapper(client, retry=RetryPolicy(attempts=3, base=0.01)) as chat:
        with pytest.raises(ConnectionFailed, match="belong to another event loop") as caught:
            chat.generate("Merhaba")
    assert (caught.value.attempts, caught.value.sent) == (1, False)


async def _asked(client: openai.AsyncOpenAI) -> None:
    await client.chat.completions.create(model="m", messages=[{"role": "user", "content": "Merhaba"}])


@pytest.mark.parametrize("session", [openai.DefaultAsyncHttpxClient, openai.DefaultAioHttpClient])
def test_one_http_client_made_by_hand_does_not_serve_two_wrappers(session: type, server: Wire) -> None:
    client = openai.AsyncOpenAI(api_key=KEY, base_url=server.base_url, http_client=session())
    with ChatClientWrapper(client) as first, ChatClientWrapper(client) as second:
        assert first.generate("Merhaba").text == "Merhaba!"
        assert first.generate("Merhaba").text == "Merhaba!"
        with pytest.raises(ConnectionFailed, match="belong to another event loop"):
            second.generate("Merhaba")
