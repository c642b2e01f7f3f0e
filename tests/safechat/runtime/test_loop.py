"""OwnLoop: what becomes of it when it cannot start, and of exceptions that are no Exception."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

import anyio
import pytest

from processes import run_python
from safechat.runtime import loop as loops
from safechat.runtime import process
from safechat.runtime.loop import OwnLoop
from windows import on_windows


class Resident:
    async def aclose(self) -> None:
        """Nothing to close."""


async def loop_of(_: object) -> asyncio.AbstractEventLoop:
    return asyncio.get_running_loop()


def failing(error: BaseException) -> Callable[..., Any]:
    def fail(*_: object, **__: object) -> Any:
        raise error

    return fail


def test_a_loop_that_cannot_start_is_an_error_at_once_and_the_next_call_tries_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    loop = OwnLoop(Resident)
    with monkeypatch.context() as broken:
        broken.setattr(anyio, "run", failing(OSError(24, "Too many open files")))
        for _ in range(2):
            with pytest.raises(OSError, match="Too many open files"):
                loop.run(loop_of)
    assert loop.run(loop_of).is_running()
    loop.close()


def test_a_thread_that_cannot_start_is_an_error_at_once_and_the_next_call_tries_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    loop = OwnLoop(Resident)
    with monkeypatch.context() as broken:
        broken.setattr(threading.Thread, "start", failing(RuntimeError("can't start new thread")))
        with pytest.raises(RuntimeError, match="can't start new thread"):
            loop.run(loop_of)
    assert loop.run(loop_of).is_running()
    loop.close()


def test_a_thread_that_never_gets_its_turn_is_an_error_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    loop = OwnLoop(Resident)
    ends = threading.Event()
    with monkeypatch.context() as broken:
        broken.setattr("safechat.runtime.loop._LONGEST_START", 0.05)
        broken.setattr(anyio, "run", lambda _: ends.wait())
        with pytest.raises(RuntimeError, match=r"did not start within 0\.05 s"):
            loop.run(loop_of)
    ends.set()
    assert loop.run(loop_of).is_running()
    loop.close()


def test_a_loop_whose_first_caller_is_interrupted_while_it_starts_does_not_stay(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    closed = threading.Event()

    class Closing(Resident):
        async def aclose(self) -> None:
            closed.set()

    class Interrupted(Future[Any]):
        def result(self, timeout: float | None = None) -> Any:
            super().result(timeout)
            raise KeyboardInterrupt

    loop = OwnLoop(Closing)
    with monkeypatch.context() as broken:
        broken.setattr("safechat.runtime.loop.Future", Interrupted)
        with pytest.raises(KeyboardInterrupt):
            loop.run(loop_of)
    assert closed.wait(60)
    assert loop.run(loop_of).is_running()
    loop.close()


def test_a_resident_that_cannot_be_built_is_an_error_and_the_next_call_tries_again() -> None:
    outcomes: list[Callable[[], Resident]] = [failing(LookupError("no client")), Resident]
    loop = OwnLoop(lambda: outcomes.pop(0)())
    with pytest.raises(LookupError, match="no client"):
        loop.run(loop_of)
    assert loop.run(loop_of).is_running()
    loop.close()


def test_closing_a_loop_that_could_not_start_does_not_hang(monkeypatch: pytest.MonkeyPatch) -> None:
    loop = OwnLoop(Resident)
    monkeypatch.setattr(anyio, "run", failing(OSError(24, "Too many open files")))
    with pytest.raises(OSError, match="Too many open files"):
        loop.run(loop_of)
    loop.close()
    assert loop.closed


@pytest.mark.skipif(sys.platform == "win32", reason="the limit of open files is POSIX")
def test_without_a_file_descriptor_left_a_call_fails_and_later_ones_work() -> None:
    run_python("""
import os, resource, signal
from fakes import AsyncFake
from safechat import ChatClientWrapper
signal.alarm(80)
resource.setrlimit(resource.RLIMIT_NOFILE, (64, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
taken = []
try:
    while True:
        taken.append(os.dup(0))
except OSError:
    pass
chat = ChatClientWrapper(AsyncFake())
for _ in range(2):
    try:
        chat.generate("a")
    except OSError:
        pass
    else:
        raise AssertionError("there were descriptors left")
for descriptor in taken:
    os.close(descriptor)
assert chat.generate("a").text == "a"
chat.close()
""")


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit])
def test_an_exception_that_is_no_exception_ends_its_call_and_not_the_loop(kind: type[BaseException]) -> None:
    async def fail(_: Resident) -> None:
        raise kind

    loop = OwnLoop(Resident)
    before = loop.run(loop_of)
    with pytest.raises(kind):
        loop.run(fail)
    assert loop.run(loop_of) is before
    loop.close()


class FutureOnWindows(Future[Any]):
    """There Ctrl-C does not end a wait; it is seen after it."""

    def result(self, timeout: float | None = None) -> Any:
        assert self.done() or timeout is not None, "Ctrl-C is not seen before the result"
        return super().result(timeout)


def test_on_windows_a_call_waits_in_steps_so_that_ctrl_c_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loops, "result_of", on_windows(process, monkeypatch).result_of)
    monkeypatch.setattr(loops, "Future", FutureOnWindows)
    loop = OwnLoop(Resident)
    assert loop.run(loop_of).is_running()
    loop.close()
