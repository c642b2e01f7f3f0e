"""ChatQueue: bounded, by priority, drained or cancelled, and a cancelled future leaves it."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

from fakes import AsyncFake, eventually
from safechat import ChatClientWrapper, ChatQueue, ChatReply, ConnectionFailed, QueueFull


async def blocked_queue(chat: ChatClientWrapper, queue: ChatQueue) -> asyncio.Future[ChatReply]:
    """A queue whose only worker is busy until the fake's gate opens."""
    first = await queue.submit("first")
    await eventually(lambda: queue.stats().running == 1)
    return first


async def test_a_lower_number_goes_first_and_within_one_the_first_come() -> None:
    client = AsyncFake()
    client.gate = threading.Event()
    async with ChatClientWrapper(client) as chat, ChatQueue(chat, workers=1) as queue:
        await blocked_queue(chat, queue)
        for priority, prompt in [(5, "e"), (1, "b"), (0, "a"), (1, "c"), (5, "f"), (2, "d")]:
            await queue.submit(prompt, priority=priority)
        client.gate.set()
    assert client.prompts == ["first", "a", "b", "c", "d", "e", "f"]


async def test_submit_waits_when_full_and_submit_nowait_raises() -> None:
    client = AsyncFake()
    client.gate = threading.Event()
    async with ChatClientWrapper(client) as chat, ChatQueue(chat, maxsize=2, workers=1) as queue:
        await blocked_queue(chat, queue)
        queue.submit_nowait("a")
        await queue.submit("b")
        with pytest.raises(QueueFull, match="holds its 2 calls"):
            queue.submit_nowait("c")
        waiting = asyncio.create_task(queue.submit("c"))
        await asyncio.sleep(0.05)
        assert not waiting.done()
        client.gate.set()
        assert str(await (await waiting)) == "c"


async def test_leaving_drains() -> None:
    client = AsyncFake(seconds=0.01)
    async with ChatClientWrapper(client) as chat:
        async with ChatQueue(chat, workers=3) as queue:
            futures = [await queue.submit(f"{number}") for number in range(20)]
        assert [str(future.result()) for future in futures] == [f"{number}" for number in range(20)]
    assert client.most == 3
    stats = queue.stats()
    assert (stats.waiting, stats.running, stats.answered, stats.failed) == (0, 0, 20, 0)


async def test_leaving_by_an_exception_cancels() -> None:
    client = AsyncFake()
    client.gate = threading.Event()
    futures: list[asyncio.Future[ChatReply]] = []

    async def work(chat: ChatClientWrapper) -> None:
        async with ChatQueue(chat, workers=1) as queue:
            futures.append(await blocked_queue(chat, queue))
            futures.extend([await queue.submit("a"), await queue.submit("b")])
            raise LookupError("stop")

    async with ChatClientWrapper(client) as chat:
        with pytest.raises(LookupError):
            await work(chat)
        outcomes = await asyncio.gather(*futures, return_exceptions=True)
        assert all(isinstance(outcome, asyncio.CancelledError) for outcome in outcomes)
        await eventually(lambda: client.under_way == 0)
    assert client.prompts == ["first"]


async def test_a_cancelled_future_leaves_the_queue_and_makes_room() -> None:
    client = AsyncFake()
    client.gate = threading.Event()
    async with ChatClientWrapper(client) as chat, ChatQueue(chat, maxsize=1, workers=1) as queue:
        await blocked_queue(chat, queue)
        queue.submit_nowait("a").cancel()
        await eventually(lambda: queue.stats().waiting == 0)
        queue.submit_nowait("b")
        client.gate.set()
    assert client.prompts == ["first", "b"]
    assert queue.stats().cancelled == 1


async def test_cancelling_a_future_that_runs_ends_its_call_and_frees_its_worker() -> None:
    client = AsyncFake()
    client.gate = threading.Event()
    async with ChatClientWrapper(client) as chat, ChatQueue(chat, workers=1) as queue:
        first = await blocked_queue(chat, queue)
        first.cancel()
        await eventually(lambda: client.under_way == 0)
        client.gate.set()
        assert str(await (await queue.submit("second"))) == "second"


async def test_a_failure_is_its_futures_own() -> None:
    client = AsyncFake(fails=lambda prompt: OSError("cut") if prompt == "bad" else None)
    async with ChatClientWrapper(client) as chat, ChatQueue(chat, workers=2) as queue:
        bad, good = await queue.submit("bad"), await queue.submit("good")
        with pytest.raises(ConnectionFailed):
            await bad
        assert str(await good) == "good"
        assert queue.stats().failed == 1


async def test_wrong_input_raises_at_submit_and_queues_nothing() -> None:
    async with ChatClientWrapper(AsyncFake()) as chat, ChatQueue(chat) as queue:
        with pytest.raises(ValueError, match="empty"):
            await queue.submit("")
        with pytest.raises(ValueError, match="timeout"):
            queue.submit_nowait("a", timeout=-1)
        assert queue.stats().waiting == 0


async def test_a_queue_that_is_not_open_says_how_to_open_it() -> None:
    async with ChatClientWrapper(AsyncFake()) as chat:
        queue = ChatQueue(chat)
        with pytest.raises(RuntimeError, match="async with ChatQueue"):
            await queue.submit("a")
        async with queue:
            pass
        with pytest.raises(RuntimeError, match="async with ChatQueue"):
            queue.submit_nowait("a")


async def test_a_priority_that_is_no_number_is_refused_and_harms_nobody() -> None:
    client = AsyncFake()
    client.gate = threading.Event()
    async with ChatClientWrapper(client) as chat, ChatQueue(chat, workers=1) as queue:
        await blocked_queue(chat, queue)
        with pytest.raises(TypeError, match="priority must be an int, not str: 'high'"):
            await queue.submit("a", priority="high")  # type: ignore[arg-type]
        client.gate.set()
        assert str(await (await queue.submit("b"))) == "b"


async def test_closing_the_wrapper_tells_everyone_who_waits_in_its_queues() -> None:
    client = AsyncFake()
    client.gate = threading.Event()
    chat = ChatClientWrapper(client)
    async with ChatQueue(chat, maxsize=2, workers=1) as queue:
        futures = [await blocked_queue(chat, queue), await queue.submit("a"), await queue.submit("b")]
        late = asyncio.create_task(queue.submit("c"))
        await asyncio.sleep(0.05)
        await chat.aclose()
        outcomes = await asyncio.wait_for(asyncio.gather(*futures, late, return_exceptions=True), 60)
    assert all(isinstance(outcome, asyncio.CancelledError) for outcome in outcomes[:3])
    assert isinstance(outcomes[3], RuntimeError)
    assert client.prompts == ["first"]


async def test_leaving_by_an_exception_tells_all_submitters() -> None:
    client = AsyncFake()
    client.gate = threading.Event()
    late: list[asyncio.Task[Any]] = []

    async def work(chat: ChatClientWrapper) -> None:
        async with ChatQueue(chat, maxsize=1, workers=1) as queue:
            await blocked_queue(chat, queue)
            await queue.submit("a")
            late.extend(asyncio.create_task(queue.submit(f"{number}")) for number in range(4))
            await asyncio.sleep(0.05)
            raise LookupError("stop")

    async with ChatClientWrapper(client) as chat:
        with pytest.raises(LookupError):
            await work(chat)
        outcomes = await asyncio.wait_for(asyncio.gather(*late, return_exceptions=True), 60)
    assert all(isinstance(outcome, RuntimeError) for outcome in outcomes)


@pytest.mark.parametrize(("sizes", "kind"), [({"maxsize": 0}, ValueError), ({"workers": "3"}, TypeError)])
def test_wrong_sizes_are_refused_by_name(sizes: dict[str, Any], kind: type[Exception]) -> None:
    with pytest.raises(kind, match=next(iter(sizes))):
        ChatQueue(ChatClientWrapper(AsyncFake()), **sizes)


def test_a_queue_works_in_one_loop_after_another() -> None:
    client = AsyncFake(seconds=0.005)
    with ChatClientWrapper(client) as chat:

        async def use() -> list[str]:
            async with ChatQueue(chat, workers=2) as queue:
                futures = [await queue.submit(f"{number}") for number in range(10)]
                return [str(await future) for future in futures]

        assert asyncio.run(use()) == asyncio.run(use()) == [f"{number}" for number in range(10)]
