"""After a fork: locks are free, and what the parent had open is no trap for the child."""

from __future__ import annotations

import os

import pytest

from processes import run_python

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork")

IN_A_CHILD = """
import os, signal, threading
from fakes import AsyncFake
from safechat import ChatClientWrapper

def child_can(steps):
    child = os.fork()
    if child == 0:
        signal.alarm(40)  # a child that hangs ends by it
        try:
            steps()
        except BaseException as error:
            print(f"in the child: {error!r}", file=__import__("sys").stderr)
            os._exit(1)
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0, "the child failed or hung"

def refused(step):
    try:
        step()
    except RuntimeError as error:
        assert "parent process" in str(error), error
    else:
        raise AssertionError("the child went on with what is the parent's")

chat = ChatClientWrapper(AsyncFake())
"""


def test_a_child_that_is_forked_inside_an_open_stream_does_not_hang() -> None:
    run_python(
        IN_A_CHILD
        + """
from safechat.testing import ScriptedClient
words = ChatClientWrapper(ScriptedClient(" ".join(str(number) for number in range(500))))
stream = words.stream("Merhaba")
first = next(stream)

def steps():
    refused(lambda: list(stream))
    stream.close()
    assert "".join(words.stream("Merhaba")).startswith("0 1 2")

child_can(steps)
assert (first + "".join(stream)).endswith(" 499")
"""
    )


def test_a_child_that_is_forked_inside_an_open_map_does_not_hang() -> None:
    run_python(
        IN_A_CHILD
        + """
import itertools
items = chat.map(map(str, itertools.count()), workers=4)
assert next(items).text == "0"

def steps():
    refused(lambda: list(items))
    assert [str(item) for item in chat.map(["a", "b"])] == ["a", "b"]

child_can(steps)
assert next(items).text == "1"
"""
    )


def test_a_child_that_is_forked_inside_an_open_queue_does_not_hang() -> None:
    run_python(
        IN_A_CHILD
        + """
import asyncio
from safechat import ChatQueue
slow = ChatClientWrapper(AsyncFake(0.2))

async def main():
    async with ChatQueue(slow, workers=1) as queue:
        futures = [await queue.submit(f"{number}") for number in range(3)]

        def steps():
            async def submit():
                await queue.submit("b")

            async def leave():
                await queue.__aexit__(None, None, None)

            refused(lambda: asyncio.run(submit()))
            refused(lambda: asyncio.run(leave()))
            assert slow.generate("c").text == "c"

        child_can(steps)
        assert [(await future).text for future in futures] == ["0", "1", "2"]

asyncio.run(main())
"""
    )


def test_a_child_that_is_forked_inside_a_redact_call_does_not_hang() -> None:
    run_python(
        IN_A_CHILD
        + """
from safechat import redact
held, done = threading.Event(), threading.Event()

def hold():
    with redact._lock:
        held.set()
        done.wait()

threading.Thread(target=hold).start()
held.wait()
child_can(lambda: redact.remember("a-secret-of-the-child"))
done.set()
redact.remember("a-secret-of-the-parent")
assert redact.redact("a-secret-of-the-parent") == "[redacted]"
"""
    )


def test_a_child_that_is_forked_while_the_loop_starts_does_not_hang() -> None:
    run_python(
        IN_A_CHILD
        + """
held, done = threading.Event(), threading.Event()

def hold():
    with chat.dispatcher._loop._lock:
        held.set()
        done.wait()

threading.Thread(target=hold).start()
held.wait()
child_can(lambda: chat.generate("a"))
done.set()
assert chat.generate("b").text == "b"
"""
    )
