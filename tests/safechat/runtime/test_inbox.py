"""Inbox: things from any thread, in order, in few wake-ups, a few at a time."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

from safechat.runtime.inbox import Inbox


def put_all(inbox: Inbox[int], numbers: Iterable[int]) -> None:
    for number in numbers:
        inbox.put(number)


async def test_things_from_a_thread_are_handled_in_their_order() -> None:
    handled: list[int] = []
    end = asyncio.Event()
    inbox: Inbox[int] = Inbox(asyncio.get_running_loop(), lambda n: end.set() if n < 0 else handled.append(n))
    threading.Thread(target=put_all, args=(inbox, [*range(1000), -1])).start()
    await end.wait()
    assert handled == list(range(1000))


async def test_many_things_at_once_let_the_loop_get_to_its_other_work() -> None:
    handled: list[int] = []
    inbox: Inbox[int] = Inbox(asyncio.get_running_loop(), handled.append)
    for number in range(10_000):
        inbox.put(number)
    passes: list[int] = []
    while len(handled) < 10_000:
        before = len(handled)
        await asyncio.sleep(0)
        passes.append(len(handled) - before)
    assert max(passes) <= 200


async def test_an_inbox_that_handles_one_at_once_goes_round_after_each() -> None:
    handled: list[int] = []
    inbox: Inbox[int] = Inbox(asyncio.get_running_loop(), handled.append, at_once=1)
    put_all(inbox, range(5))
    passes: list[list[int]] = []
    while len(handled) < 5:
        await asyncio.sleep(0)
        passes.append(handled.copy())
    assert passes[-5:] == [[0], [0, 1], [0, 1, 2], [0, 1, 2, 3], [0, 1, 2, 3, 4]]


async def test_nothing_is_lost_between_threads() -> None:
    handled: list[int] = []
    inbox: Inbox[int] = Inbox(asyncio.get_running_loop(), handled.append)
    with ThreadPoolExecutor(4) as pool:
        for start in range(4):
            pool.submit(put_all, inbox, range(start, 4000, 4))
        while len(handled) < 4000:  # noqa: ASYNC110 - what is handled is the condition
            await asyncio.sleep(0)
    assert sorted(handled) == list(range(4000))


def test_an_inbox_whose_loop_has_ended_takes_things_and_does_nothing() -> None:
    async def make() -> Inbox[int]:
        return Inbox(asyncio.get_running_loop(), handled.append)

    handled: list[int] = []
    inbox = asyncio.run(make())
    inbox.put(1)
    assert handled == []


async def test_a_closed_inbox_has_handled_what_was_there_and_refuses_the_rest() -> None:
    handled: list[int] = []
    inbox: Inbox[int] = Inbox(asyncio.get_running_loop(), handled.append)
    assert inbox.put(1)
    inbox.close()
    assert handled == [1]
    assert not inbox.put(2)
    await asyncio.sleep(0)
    assert handled == [1]


async def test_nothing_that_was_accepted_is_lost_when_an_inbox_closes() -> None:
    handled: list[int] = []
    inbox: Inbox[int] = Inbox(asyncio.get_running_loop(), handled.append)
    accepted: list[int] = []
    begun = threading.Event()

    def put_until_refused() -> None:
        number = 0
        while inbox.put(number):
            accepted.append(number)
            number += 1
            if number == 100:
                begun.set()

    thread = threading.Thread(target=put_until_refused)
    thread.start()
    begun.wait()
    inbox.close()
    thread.join()
    assert handled == accepted


def test_an_inbox_whose_loop_has_ended_says_so() -> None:
    async def make() -> Inbox[int]:
        return Inbox(asyncio.get_running_loop(), print)

    assert not asyncio.run(make()).put(1)
