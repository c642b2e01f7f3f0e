"""map and map_async: in order, bounded, lazy, and a failure is a value."""

from __future__ import annotations

import asyncio
import itertools
import threading
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from clients import once
from fakes import AsyncFake, eventually
from safechat import ChatClientWrapper, ChatError, ChatReply, ConnectionFailed, RateLimits, RequestRejected


def texts(items: Any) -> list[str]:
    return [str(item) if isinstance(item, ChatReply) else type(item).__name__ for item in items]


async def collected(items: AsyncIterator[ChatReply | ChatError]) -> list[ChatReply | ChatError]:
    return [item async for item in items]


async def run(
    chat: ChatClientWrapper, prompts: Any, asynchronous: bool, **options: Any
) -> list[ChatReply | ChatError]:
    """Both ways to iterate; the synchronous one in a thread, as a program would."""
    if asynchronous:
        return await collected(chat.map_async(prompts, **options))
    return await asyncio.to_thread(lambda: list(chat.map(prompts, **options)))


both = pytest.mark.parametrize("asynchronous", [True, False], ids=["map_async", "map"])


@both
async def test_answers_come_in_the_order_of_the_prompts(asynchronous: bool) -> None:
    async with ChatClientWrapper(AsyncFake(seconds=0.001)) as chat:
        items = await run(chat, [f"{number}" for number in range(200)], asynchronous, workers=16)
    assert texts(items) == [f"{number}" for number in range(200)]


@both
async def test_one_failing_item_is_one_error_and_199_are_answers(asynchronous: bool) -> None:
    client = AsyncFake(fails=lambda prompt: OSError("cut") if prompt == "77" else None)
    async with ChatClientWrapper(client) as chat:
        items = await run(chat, (f"{number}" for number in range(200)), asynchronous)
    assert isinstance(items[77], ConnectionFailed)
    assert sum(isinstance(item, ChatReply) for item in items) == 199


@both
async def test_raise_on_error_raises_and_cancels_the_rest(asynchronous: bool) -> None:
    client = AsyncFake(fails=lambda prompt: OSError("cut") if prompt == "3" else None)
    async with once(client) as chat:
        with pytest.raises(ConnectionFailed):
            await run(chat, map(str, itertools.count()), asynchronous, workers=2, raise_on_error=True)
        assert client.under_way == 0
    assert len(client.prompts) <= 4 + 2 * 2


@both
async def test_a_prompt_that_is_wrong_fails_alone_in_its_place(asynchronous: bool) -> None:
    async with ChatClientWrapper(AsyncFake()) as chat:
        items = await run(chat, ["a", "", "c", 5], asynchronous)
    assert texts(items) == ["a", "RequestRejected", "c", "RequestRejected"]
    assert isinstance(items[1], RequestRejected)
    assert "the prompt is empty" in str(items[1])


@both
async def test_no_more_is_under_way_than_workers_nor_pulled_than_twice_that(asynchronous: bool) -> None:
    client = AsyncFake(seconds=0.002)
    pulled = 0

    def prompts() -> Iterator[str]:
        nonlocal pulled
        for number in range(100):
            pulled += 1
            yield f"{number}"

    furthest = 0

    def progress(done: int, total: int | None) -> None:
        nonlocal furthest
        furthest = max(furthest, pulled - done)
        assert total is None

    async with ChatClientWrapper(client) as chat:
        await run(chat, prompts(), asynchronous, workers=5, progress=progress)
    assert client.most == 5
    assert furthest <= 10


@both
async def test_an_endless_generator_works(asynchronous: bool) -> None:
    client = AsyncFake()
    async with ChatClientWrapper(client) as chat:
        if asynchronous:
            items = chat.map_async(map(str, itertools.count()), workers=4)
            first = [await anext(items) for _ in range(100)]
            await items.aclose()  # type: ignore[attr-defined]
        else:
            first = await asyncio.to_thread(
                lambda: list(itertools.islice(chat.map(map(str, itertools.count()), workers=4), 100))
            )
    assert texts(first) == [f"{number}" for number in range(100)]
    assert len(client.prompts) <= 100 + 8


@both
async def test_progress_tells_how_many_of_how_many(asynchronous: bool) -> None:
    told: list[tuple[int, int | None]] = []
    async with ChatClientWrapper(AsyncFake()) as chat:
        await run(chat, ["a", "b", "c"], asynchronous, progress=lambda *each: told.append(each))
    assert told == [(1, 3), (2, 3), (3, 3)]


async def test_map_async_takes_an_asynchronous_iterable() -> None:
    async def prompts() -> AsyncIterator[str]:
        for number in range(5):
            await asyncio.sleep(0)
            yield f"{number}"

    async with ChatClientWrapper(AsyncFake()) as chat:
        assert texts(await collected(chat.map_async(prompts()))) == ["0", "1", "2", "3", "4"]


@both
async def test_parameters_are_those_of_generate(asynchronous: bool) -> None:
    async with ChatClientWrapper(AsyncFake()) as chat:
        items = await run(chat, ["a"], asynchronous, model="gpt-4o", temperature=0.1, timeout=3)
        assert texts(items) == ["a"]
        with pytest.raises(ValueError, match="timeout must be above 0"):
            await run(chat, ["a"], asynchronous, timeout=-1)


@pytest.mark.parametrize("prompts", ["Merhaba", 5, None])
def test_prompts_that_are_no_list_are_refused_at_once(prompts: Any) -> None:
    with ChatClientWrapper(AsyncFake()) as chat, pytest.raises(TypeError, match="iterable of prompts"):
        chat.map(prompts)


def test_stopping_early_leaves_nothing_under_way() -> None:
    client = AsyncFake(seconds=0.01)
    with ChatClientWrapper(client) as chat:
        for item in chat.map(map(str, itertools.count()), workers=8):
            assert isinstance(item, ChatReply)
            break
        assert client.under_way == 0
        assert chat.generate("still alive").text == "still alive"


@both
async def test_closing_the_wrapper_under_a_map_says_so(asynchronous: bool) -> None:
    client = AsyncFake(seconds=30)
    chat = ChatClientWrapper(client)
    running = asyncio.create_task(run(chat, map(str, itertools.count()), asynchronous, workers=2))
    await eventually(lambda: client.under_way > 0)
    await chat.aclose()
    with pytest.raises(RuntimeError, match="closed while map was under way"):
        await asyncio.wait_for(running, 60)


def test_the_servers_concurrency_holds_across_threads_and_loops() -> None:
    client = AsyncFake(seconds=0.005)
    with ChatClientWrapper(client, limits=RateLimits(concurrency=7)) as chat:

        async def in_a_loop() -> int:
            replies = await asyncio.gather(*(chat.generate_async("x") for _ in range(40)))
            return len(replies)

        done: list[int] = []
        loops = [threading.Thread(target=lambda: done.append(asyncio.run(in_a_loop()))) for _ in range(3)]
        threads = [
            threading.Thread(target=lambda: done.append(len([chat.generate("x") for _ in range(5)])))
            for _ in range(20)
        ]
        for thread in loops + threads:
            thread.start()
        for thread in loops + threads:
            thread.join()
    assert sum(done) == 220
    assert client.most == 7
