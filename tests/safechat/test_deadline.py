"""Deadline, alone and around the other layers."""

from __future__ import annotations

import asyncio

import pytest

from safechat import ChatReply, ChatRequest, DeadlineExceeded, ServerError
from safechat.deadline import Deadline
from safechat.log.call_record import call_record
from safechat.testing import ScriptedHandler
from virtual_time import now, run


def request(seconds: float) -> ChatRequest:
    return ChatRequest(({"role": "user", "content": "Merhaba"},), "m", deadline=now() + seconds)


def test_a_call_that_hangs_ends_at_its_deadline() -> None:
    async def hangs(_: ChatRequest) -> ChatReply:
        await asyncio.sleep(1000)
        raise AssertionError

    async def main() -> None:
        started = now()
        with pytest.raises(DeadlineExceeded, match=r"within its deadline of 3 s") as caught:
            await Deadline(hangs)(request(3))
        assert now() - started == pytest.approx(3, abs=0.01)
        assert caught.value.attempts == 1

    run(main())


def test_its_error_holds_the_failures_before() -> None:
    async def fails_and_hangs(request: ChatRequest) -> ChatReply:
        with call_record() as record:
            record.attempt_failed(ServerError("503"), request)
            await asyncio.sleep(1000)
            raise AssertionError

    async def main() -> None:
        with pytest.raises(DeadlineExceeded, match="before that: 503") as caught:
            await Deadline(fails_and_hangs)(request(3))
        assert [str(failure) for failure in caught.value.failures] == ["503"]
        assert caught.value.attempts == 2

    run(main())


def test_a_request_that_never_left_is_no_attempt() -> None:
    async def waits(_: ChatRequest) -> ChatReply:
        with call_record() as record, record.wait():
            await asyncio.sleep(1000)
        raise AssertionError

    async def main() -> None:
        with pytest.raises(DeadlineExceeded) as caught:
            await Deadline(waits)(request(3))
        assert caught.value.attempts == 0

    run(main())


def test_a_call_that_comes_at_its_deadline_is_not_sent() -> None:
    async def main() -> None:
        handler = ScriptedHandler("Merhaba!")
        with pytest.raises(DeadlineExceeded, match="was not sent, it waited for its turn") as caught:
            await Deadline(handler)(request(0))
        assert (caught.value.attempts, caught.value.sent, handler.requests) == (0, False, [])

    run(main())
