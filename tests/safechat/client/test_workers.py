"""The bounded queue, and the jobs that wait in it: order, room, removal, deadlines. On a virtual clock."""

from __future__ import annotations

import asyncio
import contextvars
import logging
from collections.abc import Awaitable, Callable

import pytest

from safechat import ChatReply, ChatRequest, DeadlineExceeded, QueueFull
from safechat.client.dispatch import Call
from safechat.client.workers import BoundedQueue, Job, Workers
from safechat.deadline import Deadline
from safechat.layers import Layers
from safechat.log.events import log_context
from safechat.log.layer import Logged
from virtual_time import now, run


async def filled(maxsize: int, *items: str) -> BoundedQueue[str]:
    queue: BoundedQueue[str] = BoundedQueue(maxsize)
    for item in items:
        await queue.put(item)
    return queue


async def test_the_lowest_number_is_next_and_within_one_the_first_come() -> None:
    queue: BoundedQueue[str] = BoundedQueue(9)
    for priority, item in [(5, "e"), (1, "b"), (0, "a"), (1, "c")]:
        await queue.put(item, priority)
    assert [queue.get() for _ in range(5)] == ["a", "b", "c", "e", None]


async def test_put_waits_for_room_or_without_waiting_raises() -> None:
    queue = await filled(1, "a")
    with pytest.raises(QueueFull, match="holds its 1 calls"):
        await queue.put("b", wait=False)
    waiting = asyncio.create_task(queue.put("c"))
    await asyncio.sleep(0)
    assert len(queue) == 1
    assert queue.get() == "a"
    await waiting
    assert queue.get() == "c"


async def test_a_removed_item_frees_its_room_and_is_never_next() -> None:
    queue = await filled(2, "a", "b")
    assert queue.remove("a")
    assert not queue.remove("a")
    await queue.put("c", wait=False)
    assert [queue.get(), queue.get(), queue.get()] == ["b", "c", None]


async def test_a_put_that_is_cancelled_takes_no_room() -> None:
    queue = await filled(1, "a")
    waiting = asyncio.create_task(queue.put("b"))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    queue.get()
    await queue.put("c", wait=False)
    assert queue.get() == "c"


class Counted:
    """An item that counts how often any of its kind is looked at."""

    looks = 0

    def __hash__(self) -> int:
        Counted.looks += 1
        return id(self)


@pytest.mark.parametrize("first", [0, -1], ids=["the first come first", "the last come first"])
async def test_to_remove_all_items_costs_a_few_looks_for_each(first: int) -> None:
    queue: BoundedQueue[Counted] = BoundedQueue(20_000)
    items = [Counted() for _ in range(20_000)]
    for item in items:
        await queue.put(item)
    Counted.looks = 0
    while items:
        queue.remove(items.pop(first))
    assert Counted.looks <= 8 * 20_000  # a search for each would be 200,000,000


async def test_removed_items_do_not_stay_in_memory() -> None:
    queue: BoundedQueue[str] = BoundedQueue(10)
    await queue.put("waits")
    for number in range(1000):
        await queue.put(f"{number}", wait=False)
        queue.remove(f"{number}")
    assert len(queue._heap) <= 100


def job(handler_sees: str = "x", *, deadline: float = 60.0) -> Job:
    call = Call(ChatRequest(({"role": "user", "content": handler_sees},), "m"), deadline)
    return Job(call, asyncio.get_running_loop().create_future())


async def working(handler: Callable[[ChatRequest], Awaitable[ChatReply]], workers: int = 1) -> Workers:
    started = Workers(100, workers)
    await started.start(Layers(Logged(Deadline(handler)), ()))
    return started


async def takes_30_seconds(request: ChatRequest) -> ChatReply:
    await asyncio.sleep(30)
    return ChatReply("ok", request.model)


def test_a_job_whose_deadline_comes_before_its_turn_fails_then() -> None:
    async def main() -> None:
        workers = await working(takes_30_seconds)
        first, second = job(), job(deadline=5)
        await workers.put(first)
        await workers.put(second)
        started = now()
        with pytest.raises(DeadlineExceeded, match="waited for its turn until its deadline of 5 s") as caught:
            await second.future
        assert now() - started == pytest.approx(5, abs=0.01)
        assert (caught.value.sent, caught.value.attempts) == (False, 0)
        assert workers.stats().waiting == 0
        assert (await first.future).text == "ok"
        assert workers.stats().failed == 1
        await workers.stop()

    run(main())


def test_a_job_that_expires_or_is_cancelled_while_it_waits_is_logged_as_any_call(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def main() -> None:
        workers = await working(takes_30_seconds)
        with log_context(trace_id="t-1"):
            jobs = [job(), job(deadline=5), job()]
        for made in jobs:
            await workers.put(made)
        await asyncio.sleep(1)
        jobs[2].future.cancel()
        workers.cancelled(jobs[2])
        await asyncio.wait([made.future for made in jobs])
        await workers.stop()

    with caplog.at_level(logging.INFO, "safechat"):
        run(main())
    calls = [vars(record) for record in caplog.records if record.getMessage() == "chat.call"]
    assert [call["outcome"] for call in calls] == ["cancelled", "deadline_exceeded", "ok"]
    assert {call["trace_id"] for call in calls} == {"t-1"}
    assert len({call["call_id"] for call in calls}) == 3
    assert calls[0]["latency_ms"] == pytest.approx(1000, abs=100)


def test_what_a_job_waits_is_part_of_its_deadline() -> None:
    async def main() -> None:
        deadlines: list[float] = []

        async def handler(request: ChatRequest) -> ChatReply:
            deadlines.append(request.deadline or 0.0)
            return await takes_30_seconds(request)

        workers = await working(handler)
        first, second = job(), job(deadline=70)
        await workers.put(first)
        placed = now()
        await workers.put(second)
        await second.future
        assert deadlines[1] - placed == pytest.approx(70, abs=0.01)
        await workers.stop()

    run(main())


def test_a_job_runs_with_its_makers_context_variables() -> None:
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="none")

    async def handler(request: ChatRequest) -> ChatReply:
        return ChatReply(variable.get(), request.model)

    async def main() -> None:
        workers = await working(handler)
        variable.set("maker")
        made = job()
        variable.set("later")
        await workers.put(made)
        assert (await made.future).text == "maker"
        await workers.stop()

    run(main())


def test_stop_ends_all_jobs_that_wait_or_run() -> None:
    async def main() -> None:
        workers = await working(takes_30_seconds, workers=2)
        jobs = [job() for _ in range(50)]
        for made in jobs:
            await workers.put(made)
        await workers.stop()
        await asyncio.sleep(0)
        assert all(made.future.cancelled() for made in jobs)
        assert workers.stats().cancelled == 50

    run(main())


def test_stop_lets_the_loop_get_to_its_other_work() -> None:
    async def main() -> None:
        workers = Workers(2000, 1)
        await workers.start(Layers(takes_30_seconds, ()))
        for _ in range(2000):
            await workers.put(job())
        passes = 0

        async def count_passes() -> None:
            nonlocal passes
            while True:
                passes += 1
                await asyncio.sleep(0)

        counting = asyncio.create_task(count_passes())
        await workers.stop()
        counting.cancel()
        assert passes >= 2000 / 200

    run(main())
