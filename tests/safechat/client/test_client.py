"""One wrapper, called from anywhere: threads, loops, notebooks, forks; and let go of cleanly."""

from __future__ import annotations

import asyncio
import contextvars
import copy
import gc
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import AsyncMock, MagicMock, patch

import anyio
import openai
import pytest

from clients import KEY, KINDS, make_client
from fakes import AsyncFake, eventually
from processes import environment, run_python
from safechat import ChatClientWrapper, ChatQueue, KeyUnavailable
from wire import Peer, Wire, completion, http, wire

ANSWER = http(json.dumps(completion()).encode())


@pytest.fixture
def server() -> Iterator[Wire]:
    with wire(lambda peer: peer.say(ANSWER)) as served:
        yield served


@pytest.fixture(params=KINDS)
def chat(request: pytest.FixtureRequest, server: Wire) -> Iterator[ChatClientWrapper]:
    with ChatClientWrapper(make_client(request.param, server.base_url)) as wrapper:
        yield wrapper


def test_generate_in_20_threads_uses_one_loop(chat: ChatClientWrapper) -> None:
    with ThreadPoolExecutor(20) as pool:
        replies = list(pool.map(lambda number: chat.generate(f"Soru {number}"), range(100)))
    assert {reply.text for reply in replies} == {"Merhaba!"}
    assert sum(thread.name == "safechat-loop" for thread in threading.enumerate()) == 1


async def test_generate_works_inside_a_running_loop_as_in_a_notebook(chat: ChatClientWrapper) -> None:
    assert chat.generate("Merhaba").text == "Merhaba!"


def test_generate_async_works_in_three_loops_one_after_another(chat: ChatClientWrapper) -> None:
    for _ in range(3):
        assert asyncio.run(chat.generate_async("Merhaba")).text == "Merhaba!"


async def test_many_calls_at_once_in_one_loop(chat: ChatClientWrapper) -> None:
    replies = await asyncio.gather(*(chat.generate_async("Merhaba") for _ in range(50)))
    assert len({id(reply) for reply in replies}) == 50


# The SDK closes a client that is collected in whatever loop runs just then, and fails in its own dead one.
_never_collected: list[object] = []


def test_an_sdk_client_that_another_loop_has_used_before(server: Wire) -> None:
    client = openai.AsyncOpenAI(api_key=KEY, base_url=server.base_url)
    ask = client.chat.completions.create(model="m", messages=[{"role": "user", "content": "x"}])
    asyncio.run(ask)
    _never_collected.append(client)
    with ChatClientWrapper(client) as chat:
        assert chat.generate("Merhaba").text == "Merhaba!"
        assert asyncio.run(chat.generate_async("Merhaba")).text == "Merhaba!"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork")
@pytest.mark.parametrize("kind", ["async", "sync", "thread", "plain"])
def test_a_forked_child_can_call_and_so_can_its_parent(kind: str, server: Wire) -> None:
    script = f"""
import os, sys
from clients import make_client
from safechat import ChatClientWrapper
chat = ChatClientWrapper(make_client({kind!r}, {server.base_url!r}))
chat.generate("before")
child = os.fork()
if child == 0:
    os._exit(0 if chat.generate("child").text == "Merhaba!" else 1)
assert chat.generate("parent").text == "Merhaba!"
assert os.waitpid(child, 0)[1] == 0, "the child failed"
assert chat.generate("after").text == "Merhaba!"
"""
    run_python(script)


@pytest.mark.parametrize("kind", KINDS)
def test_a_program_that_never_closes_the_wrapper_ends_by_itself(kind: str, server: Wire) -> None:
    printed = run_python(f"""
from clients import make_client
from safechat import ChatClientWrapper
print(ChatClientWrapper(make_client({kind!r}, {server.base_url!r})).generate("Merhaba"))
chat = ChatClientWrapper(make_client({kind!r}, {server.base_url!r}))
print(chat.generate("Merhaba"))
""")
    assert printed == "Merhaba!\nMerhaba!\n"


def test_a_program_ends_while_a_call_of_a_synchronous_client_hangs() -> None:
    run_python("""
import threading, time
from types import SimpleNamespace
from safechat import ChatClientWrapper, RequestTimedOut
def hang(**_): time.sleep(3600)
client = SimpleNamespace(chat=SimpleNamespace(completions=SimpleNamespace(create=hang)))
try:
    ChatClientWrapper(client, timeout=0.1).generate("Merhaba")
except RequestTimedOut:
    pass
""")


def hold(peer: Peer) -> None:
    peer.say(http(b"", length=9))
    while not peer.pause(0.02):
        peer.say(b" ")


async def test_cancelling_generate_async_hangs_up() -> None:
    with wire(hold) as server:
        async with ChatClientWrapper(make_client("async", server.base_url), timeout=60) as chat:
            call = asyncio.create_task(chat.generate_async("Merhaba"))
            assert await asyncio.to_thread(server.asked.wait, 60)
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call
            assert await asyncio.to_thread(server.hung_up.wait, 60)


async def test_a_time_limit_of_the_caller_cancels_the_call() -> None:
    with wire(hold) as server:

        async def end_when_asked(limit: asyncio.Timeout) -> None:
            await asyncio.to_thread(server.asked.wait, 60)
            limit.reschedule(asyncio.get_running_loop().time())

        async def limited(chat: ChatClientWrapper) -> None:
            async with asyncio.timeout(60) as limit, asyncio.TaskGroup() as group:
                group.create_task(end_when_asked(limit))
                await chat.generate_async("Merhaba")

        async with ChatClientWrapper(make_client("async", server.base_url), timeout=60) as chat:
            with pytest.raises(TimeoutError):
                await limited(chat)
            assert await asyncio.to_thread(server.hung_up.wait, 60)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows sends no Ctrl-C to a single process")
def test_an_interrupt_while_generate_waits_hangs_up() -> None:
    with wire(hold) as server:
        script = f"""
import sys
from clients import make_client
from safechat import ChatClientWrapper
chat = ChatClientWrapper(make_client("async", {server.base_url!r}), timeout=60)
try:
    chat.generate("Merhaba")
except KeyboardInterrupt:
    sys.stdin.read()
"""
        with subprocess.Popen(
            [sys.executable, "-c", script], stdin=subprocess.PIPE, env=environment()
        ) as child:
            assert server.asked.wait(60)
            child.send_signal(signal.SIGINT)
            assert server.hung_up.wait(60), "the child lives on, and has hung up"
        assert child.returncode == 0


def test_closing_ends_calls_under_way_and_the_thread() -> None:
    with wire(hold) as server:
        chat = ChatClientWrapper(make_client("async", server.base_url), timeout=60)
        with ThreadPoolExecutor(1) as pool:
            call = pool.submit(chat.generate, "Merhaba")
            assert server.asked.wait(60)
            chat.close()
            with pytest.raises(RuntimeError, match="closed while the call was under way"):
                call.result()
        chat.close()
        with pytest.raises(RuntimeError, match="this client is closed"):
            chat.generate("Merhaba")
    assert "safechat-loop" not in [thread.name for thread in threading.enumerate()]


def test_closing_closes_our_connections_and_not_the_callers_client(server: Wire) -> None:
    client = openai.AsyncOpenAI(api_key=KEY, base_url=server.base_url)
    with ChatClientWrapper(client) as chat:
        chat.generate("Merhaba")
    assert not client.is_closed()


def test_a_wrapper_that_is_dropped_leaves_no_thread(server: Wire) -> None:
    chat = ChatClientWrapper(make_client("async", server.base_url))
    chat.generate("Merhaba")
    (thread,) = (thread for thread in threading.enumerate() if thread.name == "safechat-loop")
    del chat
    gc.collect()
    thread.join(60)
    assert not thread.is_alive()


@pytest.mark.parametrize("asynchronous", [True, False])
async def test_context_variables_cross_into_the_call(asynchronous: bool) -> None:
    trace: contextvars.ContextVar[str] = contextvars.ContextVar("trace")
    seen: list[str] = []

    def create(**_: object) -> object:
        seen.append(trace.get())
        return completion()

    client = SimpleNamespace(chat=SimpleNamespace(completions=SimpleNamespace(create=create)))
    async with ChatClientWrapper(client) as chat:
        trace.set("t-1")
        await chat.generate_async("Merhaba") if asynchronous else chat.generate("Merhaba")
        trace.set("t-2")
        await chat.generate_async("Merhaba") if asynchronous else chat.generate("Merhaba")
    assert seen == ["t-1", "t-2"]


async def test_leaving_by_a_cancelled_scope_closes_all_the_same() -> None:
    with anyio.CancelScope() as scope:
        async with ChatClientWrapper(AsyncFake()) as chat:
            await chat.generate_async("a")
            scope.cancel()  # as anyio and trio cancel: each further await is cancelled, too
            await anyio.sleep(60)
    assert chat.dispatcher.closed
    assert "safechat-loop" not in [thread.name for thread in threading.enumerate()]


async def test_leaving_by_a_task_that_is_cancelled_again_and_again_closes_all_the_same() -> None:
    chat = ChatClientWrapper(AsyncFake())

    async def leave() -> None:
        async with chat:
            await chat.generate_async("a")
            await asyncio.sleep(60)

    task = asyncio.create_task(leave())
    await eventually(lambda: "safechat-loop" in [thread.name for thread in threading.enumerate()])
    while not task.done():
        task.cancel()
        await asyncio.sleep(0)
    assert chat.dispatcher.closed
    await eventually(lambda: "safechat-loop" not in [thread.name for thread in threading.enumerate()])


async def test_leaving_a_stream_and_a_queue_by_a_cancelled_scope_ends_their_calls() -> None:
    client = AsyncFake(seconds=60)
    async with ChatClientWrapper(client) as chat:
        with anyio.CancelScope() as scope:
            async with ChatQueue(chat) as queue, chat.stream_async("a") as stream:
                await queue.submit("b")
                await eventually(lambda: client.under_way == 1)
                scope.cancel()
                await anext(stream)
        assert client.under_way == 0
        assert queue.stats().running == 0


def test_a_copy_of_a_wrapper_is_the_wrapper_itself() -> None:
    with ChatClientWrapper(AsyncFake()) as chat:
        assert copy.copy(chat) is chat
        assert copy.deepcopy({"model": [chat]})["model"][0] is chat


@pytest.mark.parametrize("kind", ["async", "sync"])
def test_an_unknown_parameter_is_a_type_error_before_the_call_takes_a_place(kind: str) -> None:
    with ChatClientWrapper(make_client(kind)) as chat:
        for ask in (chat.generate, chat.stream, chat.stream_async, ChatQueue(chat).submit_nowait):
            with pytest.raises(TypeError, match="did you mean 'temperature'"):
                ask("Merhaba", tempurature=0.7)
        for ask_many in (chat.map, chat.map_async):
            with pytest.raises(TypeError, match="did you mean 'temperature'"):
                ask_many(["Merhaba"], tempurature=0.7)
    assert "safechat-loop" not in [thread.name for thread in threading.enumerate()]


def test_a_parameter_is_checked_for_the_fallbacks_too() -> None:
    fallback = (make_client("async"), "m")
    with ChatClientWrapper(AsyncFake(), fallbacks=[fallback]) as chat:
        with pytest.raises(TypeError, match="unknown parameter 'top_k'"):
            chat.generate("Merhaba", top_k=3)
    with ChatClientWrapper(AsyncFake()) as chat:
        assert chat.generate("a", top_k=3).text == "a"


class Stop(BaseException):
    pass


def test_an_exception_that_is_no_exception_reaches_its_caller_alone() -> None:
    failures = iter([Stop(), KeyboardInterrupt(), SystemExit(3)])

    async def create(**_: object) -> object:
        for failure in failures:
            raise failure
        return completion()

    client = SimpleNamespace(chat=SimpleNamespace(completions=SimpleNamespace(create=create)))
    with ChatClientWrapper(client) as chat:
        for kind in (Stop, KeyboardInterrupt, SystemExit):
            with pytest.raises(kind):
                chat.generate("Merhaba")
        assert chat.generate("Merhaba").text == "Merhaba!"


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit])
async def test_an_exit_out_of_a_client_ends_its_stream_map_or_queued_call_alone(
    kind: type[BaseException],
) -> None:
    def create(*, messages: list[dict[str, str]], **_: object) -> object:
        if messages[0]["content"] == "exit":
            raise kind
        return completion("Merhaba!")

    client = SimpleNamespace(chat=SimpleNamespace(completions=SimpleNamespace(create=create)))
    async with ChatClientWrapper(client) as chat, ChatQueue(chat) as queue:
        with pytest.raises(kind):
            list(chat.stream("exit"))
        with pytest.raises(kind):
            list(chat.map(["a", "exit", "b"]))
        future = queue.submit_nowait("exit")
        await asyncio.wait([future])
        assert isinstance(future.exception(), kind)
        assert chat.generate("Merhaba").text == "Merhaba!"
        assert str(await (await queue.submit("a"))) == "Merhaba!"


def test_calling_generate_from_inside_the_wrappers_own_loop_says_what_to_do() -> None:
    caught: list[BaseException] = []

    async def create(**_: object) -> object:
        try:
            wrapper.generate("Merhaba")
        except RuntimeError as error:
            caught.append(error)
        return completion()

    client = SimpleNamespace(chat=SimpleNamespace(completions=SimpleNamespace(create=create)))
    with ChatClientWrapper(client) as wrapper:
        wrapper.generate("Merhaba")
    assert "use the async method" in str(caught[0])


@pytest.mark.parametrize("mock", [MagicMock, AsyncMock])
def test_a_mock_is_a_client(mock: type[MagicMock]) -> None:
    client = MagicMock()
    client.chat.completions.create = mock()
    client.chat.completions.create.return_value.choices[0].message.content = "Merhaba!"
    with ChatClientWrapper(client) as chat:
        assert chat.generate("Merhaba").text == "Merhaba!"


def test_a_patched_create_of_an_sdk_client_is_honoured() -> None:
    client = openai.OpenAI(api_key=KEY)
    with ChatClientWrapper(client) as chat, patch.object(client.chat.completions, "create") as create:
        create.return_value = completion("yama")
        assert chat.generate("Merhaba").text == "yama"


def test_an_azure_client_keeps_its_address(server: Wire) -> None:
    client = openai.AsyncAzureOpenAI(
        api_key=KEY, azure_endpoint=server.base_url.removesuffix("/v1"), api_version="2024-10-21"
    )
    with ChatClientWrapper(client) as chat:
        assert chat.generate("Merhaba", "gpt-4o").text == "Merhaba!"


def test_the_repr_shows_settings_and_no_client() -> None:
    with ChatClientWrapper(openai.OpenAI(api_key=KEY), timeout=5) as chat:
        assert repr(chat) == "ChatClientWrapper(model='gpt-6.1-terra', timeout=5, deadline=60)"


def test_from_env_reads_the_environment(server: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
    monkeypatch.setenv("SAFECHAT_MODEL", "gpt-4o")
    monkeypatch.setenv("SAFECHAT_TIMEOUT", "3.5")
    with ChatClientWrapper.from_env() as chat:
        assert chat.generate("Merhaba").text == "Merhaba!"
        assert repr(chat) == "ChatClientWrapper(model='gpt-4o', timeout=3.5, deadline=60)"
    assert server.requests[0]["model"] == "gpt-4o"


def test_from_env_reads_a_dotenv_file_and_the_environment_wins(
    server: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open(".env", "w", encoding="utf-8") as file:
        file.write(f"OPENAI_API_KEY={KEY}\nOPENAI_BASE_URL={server.base_url}\nSAFECHAT_MODEL=a\nUNKNOWN=1\n")
    monkeypatch.setenv("SAFECHAT_MODEL", "b")
    with ChatClientWrapper.from_env() as chat:
        chat.generate("Merhaba")
    assert server.requests[0]["model"] == "b"


def test_from_env_without_a_key_says_what_to_set() -> None:
    with pytest.raises(KeyUnavailable, match="OPENAI_API_KEY"):
        ChatClientWrapper.from_env()


@pytest.mark.parametrize("value", ["çok", "-1", "0"])
def test_from_env_names_the_setting_that_is_wrong(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("SAFECHAT_TIMEOUT", value)
    with pytest.raises(ValueError, match="SAFECHAT_TIMEOUT") as caught:
        ChatClientWrapper.from_env()
    assert KEY not in str(caught.value)


def test_import_is_light() -> None:
    heavy = ("hvac", "typer", "rich", "opentelemetry", "pytest", "odev", "llmock")
    printed = run_python(f"import sys, safechat; print([name for name in {heavy!r} if name in sys.modules])")
    assert printed == "[]\n"


def test_many_calls_cancelled_ones_and_streams_left_half_way_leave_nothing_behind() -> None:
    """The whole of it, twenty times as long, is `python tests/benchmarks/soak.py`."""
    soak = Path(__file__).parents[2] / "benchmarks" / "soak.py"
    done = subprocess.run(
        [sys.executable, soak, "5"],
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=100,
        env=environment(),
    )
    assert done.returncode == 0, done.stdout + done.stderr
