"""Threads: bounded, and none outlives its time for ever."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest

from fakes import eventually
from safechat.runtime.threads import Abandoned, Threads, in_thread


async def test_no_more_threads_run_than_there_are_places() -> None:
    threads = Threads(3)
    running = 0
    most = 0
    lock = threading.Lock()

    def work() -> None:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        time.sleep(0.01)
        with lock:
            running -= 1

    await asyncio.gather(*(threads.run(work) for _ in range(12)))
    assert most == 3


async def test_a_cancelled_caller_leaves_its_place_taken_until_the_thread_ends() -> None:
    threads = Threads(1)
    started, release = threading.Event(), threading.Event()

    def hold() -> None:
        started.set()
        assert release.wait(60)

    held = asyncio.create_task(threads.run(hold))
    await in_thread(started.wait)
    held.cancel()
    with pytest.raises(asyncio.CancelledError):
        await held
    waiting = asyncio.create_task(threads.run(lambda: "ok"))
    await asyncio.sleep(0.05)
    assert not waiting.done()
    release.set()
    assert await waiting == "ok"


async def test_a_cancelled_wait_for_a_place_takes_none() -> None:
    threads = Threads(1)
    release = threading.Event()
    holding = asyncio.create_task(threads.run(lambda: release.wait(60)))
    await asyncio.sleep(0)
    waiting = asyncio.create_task(threads.run(lambda: None))
    await asyncio.sleep(0)
    waiting.cancel()
    release.set()
    await holding
    assert await threads.run(lambda: "ok") == "ok"


async def test_a_thread_that_cannot_start_gives_its_place_back(monkeypatch: pytest.MonkeyPatch) -> None:
    threads = Threads(1)

    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        with pytest.raises(RuntimeError, match="can't start"):
            await threads.run(lambda: None)
    assert await threads.run(lambda: "ok") == "ok"


@pytest.mark.parametrize("stubborn", [False, True], ids=["dies of it", "catches it once"])
async def test_a_thread_that_nobody_waits_for_is_ended_after_its_time(
    stubborn: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("safechat.runtime.threads._EVERY", 0.1)
    threads: list[threading.Thread] = []
    raised: list[BaseException] = []

    def never_ends() -> None:
        while True:
            try:
                threads.append(threading.current_thread())
                while True:
                    time.sleep(0.001)
            except Abandoned as exception:
                raised.append(exception)
                if not stubborn or len(raised) == 2:
                    raise

    call = asyncio.create_task(in_thread(never_ends, seconds=0.05))
    await eventually(lambda: bool(threads))
    call.cancel()
    await eventually(lambda: not threads[0].is_alive())
    assert len(raised) == (2 if stubborn else 1)


async def test_a_thread_without_a_time_limit_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("safechat.runtime.threads._EVERY", 0.001)
    release = threading.Event()
    ended: list[str] = []

    def work() -> None:
        while not release.wait(0.001):
            pass
        ended.append("by itself")

    with pytest.raises(TimeoutError):
        await asyncio.wait_for(in_thread(work), 0.02)
    await asyncio.sleep(0.05)
    release.set()
    await eventually(lambda: bool(ended))
    assert ended == ["by itself"]


async def test_what_a_late_thread_returns_is_given_to_unwanted() -> None:
    started, release = threading.Event(), threading.Event()
    late: list[str] = []

    def work() -> str:
        started.set()
        assert release.wait(60)
        return "late"

    task = asyncio.create_task(in_thread(work, unwanted=late.append))
    await in_thread(started.wait)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    release.set()
    await eventually(lambda: bool(late))
    assert late == ["late"]


async def test_a_function_whose_caller_is_cancelled_at_the_same_moment_does_not_run() -> None:
    ran: list[int] = []
    task = asyncio.create_task(in_thread(lambda: ran.append(1)))
    asyncio.get_running_loop().call_soon(task.cancel)  # after the first step of the task
    await asyncio.wait([task])
    assert task.cancelled()
    assert ran == []
