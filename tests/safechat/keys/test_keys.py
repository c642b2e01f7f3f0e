"""The cache of keys, on a clock that the test winds: no source is asked more than it must be."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import httpx2
import openai
import pytest
from pydantic import SecretStr

from safechat import (
    AuthenticationFailed,
    BreakerPolicy,
    ChatClientWrapper,
    ChatError,
    ChatReply,
    ChatRequest,
    EnvKeys,
    Key,
    KeyUnavailable,
    RetryPolicy,
    ServerError,
    VaultAuthFailed,
    VaultSealed,
    VaultUnreachable,
)
from safechat.call.clients import key_in_use
from safechat.fallback import Fallback
from safechat.keys.cache import CachedKeys
from safechat.keys.layer import Keyed
from safechat.log.events import listen
from safechat.retry import Retried
from safechat.testing import ScriptedClient
from wire import completion


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


class Source(CachedKeys):
    """Gives what it is told to; counts; can be held up."""

    source = "test"

    def __init__(
        self,
        clock: Callable[[], float],
        *,
        dice: float = 0.5,
        longest_read: float = 30.0,
        ttl: float = 300.0,
    ) -> None:
        self.answer: Exception | int = 1
        self.reads = 0
        self.gate = threading.Event()
        self.gate.set()
        super().__init__(
            ttl=ttl,
            refresh_interval=5.0,
            longest_read=longest_read,
            clock=clock,
            random=lambda: dice,
        )

    def _read(self) -> Key:
        self.reads += 1
        answer = self.answer
        assert self.gate.wait(60)
        if isinstance(answer, Exception):
            raise answer
        return Key(SecretStr(f"sk-number-{answer}-0000000000"), answer)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def keys(clock: Clock) -> Source:
    return Source(clock)


async def test_a_key_is_read_once_and_again_when_its_time_is_over(keys: Source, clock: Clock) -> None:
    assert (await keys.get()).version == 1
    keys.answer = 2
    clock.now += 299
    assert (await keys.get()).version == 1
    clock.now += 2
    assert (await keys.get()).version == 2
    assert keys.reads == 2


@pytest.mark.parametrize(("dice", "fresh_for"), [(0.0, 270), (1.0, 330)])
async def test_the_time_is_a_tenth_more_or_less(dice: float, fresh_for: float, clock: Clock) -> None:
    keys = Source(clock, dice=dice)
    await keys.get()
    clock.now += fresh_for - 1
    await keys.get()
    assert keys.reads == 1
    clock.now += 2
    await keys.get()
    assert keys.reads == 2


async def test_a_thousand_who_wait_are_one_read(keys: Source) -> None:
    keys.gate.clear()
    waiting = [asyncio.create_task(keys.get()) for _ in range(1000)]
    await asyncio.sleep(0.01)
    keys.gate.set()
    assert {key.version for key in await asyncio.gather(*waiting)} == {1}
    assert keys.reads == 1


async def test_a_waiter_that_is_cancelled_harms_nobody(keys: Source) -> None:
    keys.gate.clear()
    first, second = asyncio.create_task(keys.get()), asyncio.create_task(keys.get())
    await asyncio.sleep(0.01)
    first.cancel()
    keys.gate.set()
    assert (await second).version == 1
    assert first.cancelled()
    assert keys.reads == 1


def test_threads_with_loops_of_their_own_share_a_read(keys: Source) -> None:
    keys.gate.clear()
    got: list[Key] = []
    threads = [threading.Thread(target=lambda: got.append(asyncio.run(keys.get()))) for _ in range(8)]
    for thread in threads:
        thread.start()
    time.sleep(0.05)
    keys.gate.set()
    for thread in threads:
        thread.join(60)
    assert [key.version for key in got] == [1] * 8
    assert keys.reads == 1


@pytest.mark.parametrize("down", [VaultUnreachable("no connection"), VaultSealed("sealed")])
async def test_a_key_in_hand_outlives_a_source_that_is_down(
    down: ChatError, keys: Source, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("WARNING", "safechat")
    await keys.get()
    keys.answer = down
    clock.now += 400
    assert (await keys.get()).version == 1
    assert [record.msg for record in caplog.records] == ["keys.stale"]
    assert caplog.records[0].__dict__["kind"] == down.kind
    assert (await keys.get()).version == 1
    assert keys.reads == 2  # not again at once
    clock.now += 11
    keys.answer = 2
    assert (await keys.get()).version == 2


async def test_a_key_in_hand_is_served_for_an_hour_past_its_time_at_most(keys: Source, clock: Clock) -> None:
    await keys.get()
    keys.answer = VaultUnreachable("no connection")
    clock.now += 300 + 3599
    assert (await keys.get()).version == 1
    clock.now += 2
    with pytest.raises(VaultUnreachable):
        await keys.get()


async def test_a_denial_is_an_error_and_never_the_key_in_hand(keys: Source, clock: Clock) -> None:
    await keys.get()
    keys.answer = VaultAuthFailed("denied")
    clock.now += 400
    for _ in range(2):
        with pytest.raises(VaultAuthFailed, match="denied"):
            await keys.get()


async def test_a_source_that_hangs_costs_a_second_and_not_each_call(keys: Source, clock: Clock) -> None:
    await keys.get()
    clock.now += 400
    keys.gate.clear()
    waiting = asyncio.create_task(keys.get())
    await asyncio.sleep(0.01)
    clock.now += 1.0  # the patience of those who come now is over
    assert (await keys.get()).version == 1
    assert not waiting.done()
    assert (await waiting).version == 1
    keys.gate.set()


async def test_without_a_key_in_hand_a_source_that_hangs_is_an_error_in_time(clock: Clock) -> None:
    keys = Source(clock, longest_read=0.05)
    keys.gate.clear()
    with pytest.raises(VaultUnreachable, match=r"no whole answer within 0\.05 s"):
        await keys.get()
    keys.gate.set()


async def test_a_failure_is_everyones_for_a_second(keys: Source, clock: Clock) -> None:
    keys.answer = VaultUnreachable("no connection")
    for _ in range(5):
        with pytest.raises(VaultUnreachable):
            await keys.get()
    assert keys.reads == 1
    clock.now += 1.1
    keys.answer = 1
    assert (await keys.get()).version == 1


async def test_a_time_of_a_day_is_a_day(clock: Clock) -> None:
    keys = Source(clock, ttl=86400)
    await keys.get()
    clock.now += 86000
    assert (await keys.get()).version == 1
    assert keys.reads == 1


async def test_a_source_that_hangs_again_and_again_holds_few_threads(clock: Clock) -> None:
    keys = Source(clock, longest_read=0.01)
    keys.gate.clear()
    for _ in range(6):
        with pytest.raises(KeyUnavailable):
            await keys.get()
        clock.now += 2
    assert keys.reads == 3
    keys.gate.set()


async def test_without_a_thread_to_read_in_the_key_in_hand_goes_on(
    keys: Source, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(_: object) -> None:
        raise RuntimeError("can't start new thread")

    await keys.get()
    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", refused)
        clock.now += 400
        assert (await keys.get()).version == 1
        clock.now += 4000
        with pytest.raises(KeyUnavailable, match="start new thread"):
            await keys.get()
    assert (await keys.get()).version == 1


async def test_a_listener_that_fails_holds_no_key_back(
    keys: Source, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(level: int, name: str, fields: Mapping[str, object]) -> None:
        raise LookupError(name)

    end = listen(broken)
    try:
        assert (await keys.get()).version == 1
        for thread in threading.enumerate():
            if thread.name == "safechat-keys":
                thread.join(60)
    finally:
        end()
    assert "keys.read was not logged: LookupError" in capsys.readouterr().err


async def test_a_refused_key_is_read_again_at_once(keys: Source) -> None:
    await keys.get()
    keys.answer = 2
    assert (await keys.get(not_version=1)).version == 2
    assert (await keys.get(not_version=1)).version == 2
    assert keys.reads == 2


async def test_a_refused_key_that_is_the_newest_is_not_read_again_for_a_while(
    keys: Source, clock: Clock
) -> None:
    await keys.get()
    for _ in range(100):
        assert (await keys.get(not_version=1)).version == 1
    assert keys.reads == 2
    clock.now += 6
    keys.answer = 2
    assert (await keys.get(not_version=1)).version == 2


async def test_whatever_else_a_source_raises_is_a_key_unavailable_without_secrets(keys: Source) -> None:
    keys.answer = RuntimeError("Bearer abcdefghijklmnop")
    with pytest.raises(KeyUnavailable) as caught:
        await keys.get()
    assert "abcdefghijklmnop" not in str(caught.value)
    assert caught.value.__cause__ is caught.value.__context__ is None


def test_a_key_does_not_show_itself() -> None:
    assert "sk-secret" not in repr(Key(SecretStr("sk-secret-1234567"), 1))


async def test_the_environments_key_is_read_again_when_it_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / ".env").write_text("OPENAI_API_KEY=sk-first-00000000\n")
    keys = EnvKeys()
    first = await keys.get()
    (tmp_path / ".env").write_text("OPENAI_API_KEY=sk-second-0000000\n")
    assert await keys.get() == first
    second = await keys.get(not_version=first.version)
    assert (second.value.get_secret_value(), second.version) == ("sk-second-0000000", 2)
    assert (await keys.get(not_version=2)).version == 2
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    (tmp_path / ".env").unlink()
    with pytest.raises(KeyUnavailable, match="OPENAI_API_KEY"):
        await keys.get(not_version=2)


REQUEST = ChatRequest(({"role": "user", "content": "Merhaba"},), "a")


class API:
    """A handler that takes some keys only."""

    def __init__(self, *good: int) -> None:
        self.good = {f"sk-number-{each}-0000000000" for each in good}
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
