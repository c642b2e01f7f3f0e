"""Fallback, alone and in the wrapper."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from safechat import (
    AuthenticationFailed,
    BreakerPolicy,
    ChatClientWrapper,
    ChatError,
    ChatReply,
    ChatRequest,
    CircuitOpen,
    ContentFiltered,
    ContextTooLong,
    ModelUnavailable,
    PermissionDenied,
    QuotaExhausted,
    RateLimited,
    RequestRejected,
    RetryPolicy,
    ServerError,
)
from safechat.fallback import Fallback, Target
from safechat.messages import Handler
from safechat.testing import ScriptedClient, ScriptedHandler
from virtual_time import now, run


def request(**fields: Any) -> ChatRequest:
    return ChatRequest(messages=({"role": "user", "content": "Merhaba"},), model="first", **fields)


def layer(*handlers: Handler, breaker: BreakerPolicy | None = None) -> Fallback:
    first, *others = handlers
    names = ["second", "third", "fourth"]
    return Fallback(first, [Target(each, name) for each, name in zip(others, names, strict=False)], breaker)


@pytest.mark.parametrize(
    "error", [ServerError("503"), RateLimited("429"), ModelUnavailable("shut down"), ContextTooLong("long")],
    ids=lambda each: each.kind,
)  # fmt: skip
def test_the_next_model_answers_and_the_reply_says_which(error: ChatError) -> None:
    first, second = ScriptedHandler(error), ScriptedHandler("Merhaba!")
    reply = run(layer(first, second)(request()))
    assert (reply.text, reply.model, reply.attempts) == ("Merhaba!", "second", 2)
    assert len(first.requests) == 1


@pytest.mark.parametrize(
    "error",
    [
        RequestRejected("400"),
        AuthenticationFailed("401"),
        PermissionDenied("403"),
        ContentFiltered("400"),
        QuotaExhausted("429"),
    ],
    ids=lambda each: each.kind,
)
def test_an_error_that_no_model_would_mend_does_not_fall_back(error: ChatError) -> None:
    second = ScriptedHandler("never")
    with pytest.raises(type(error)):
        run(layer(ScriptedHandler(error), second)(request()))
    assert second.requests == []


def test_when_all_fail_the_error_sums_up_every_one() -> None:
    first = ServerError("503", model="first", attempts=3)
    second = RateLimited("429", model="second", attempts=2)
    third = ServerError("500: oops", model="third", attempts=1)
    with pytest.raises(ServerError) as caught:
        run(layer(*map(ScriptedHandler, (first, second, third)))(request()))
    told = "first server_error ×3, second rate_limited ×2, third server_error ×1"
    assert str(caught.value) == f"no model answered ({told}); the last: 500: oops"
    assert caught.value.attempts == 6


def test_no_new_model_is_tried_after_the_deadline() -> None:
    async def slow(_: ChatRequest) -> ChatReply:
        await asyncio.sleep(5)
        raise ServerError("503", model="first")

    second = ScriptedHandler("never")

    async def main() -> None:
        with pytest.raises(ServerError):
            await layer(slow, second)(request(deadline=now() + 3))

    run(main())
    assert second.requests == []


def test_a_model_that_is_listed_twice_is_asked_once() -> None:
    handler = ScriptedHandler(ServerError("503", model="first"))
    with pytest.raises(ServerError):
        run(Fallback(handler, [Target(handler, "first")])(request()))
    assert len(handler.requests) == 1


def test_a_dead_first_model_costs_few_requests_and_is_used_again_when_it_recovers() -> None:
    dead = True
    asked: list[str] = []

    async def handler(request: ChatRequest) -> ChatReply:
        asked.append(request.model)
        if dead and request.model == "first":
            raise ServerError("503", model="first")
        return ChatReply("ok", request.model)

    async def main() -> None:
        nonlocal dead
        fallback = Fallback(handler, [Target(handler, "second")], BreakerPolicy(failures=5, cooldown=15))
        for _ in range(20):
            assert (await fallback(request())).model == "second"
        assert asked.count("first") == 5
        dead = False
        assert (await fallback(request())).model == "second", "the cooldown is not over"
        await asyncio.sleep(15)
        assert (await fallback(request())).model == "first"

    run(main())


def test_while_open_a_model_without_a_fallback_fails_at_once() -> None:
    handler = ScriptedHandler(ServerError("503", model="first"))

    async def main() -> None:
        fallback = layer(handler, breaker=BreakerPolicy(failures=2))
        for _ in range(2):
            with pytest.raises(ServerError):
                await fallback(request())
        with pytest.raises(CircuitOpen, match=r"left alone for 15\.0 s more") as caught:
            await fallback(request())
        assert caught.value.retry_after == pytest.approx(15, abs=0.1)
        assert caught.value.attempts == 0

    run(main())
    assert len(handler.requests) == 2


def test_wrong_requests_never_open_the_circuit() -> None:
    handler = ScriptedHandler(*[RequestRejected("400")] * 20, "ok")

    async def main() -> None:
        fallback = layer(handler, breaker=BreakerPolicy(failures=3))
        for _ in range(20):
            with pytest.raises(RequestRejected):
                await fallback(request())
        assert (await fallback(request())).text == "ok"

    run(main())


def test_a_cancelled_probe_makes_room_for_another() -> None:
    async def main() -> None:
        outcomes: list[object] = [ServerError("503", model="first"), "hang", "ok"]

        async def handler(_: ChatRequest) -> ChatReply:
            outcome = outcomes.pop(0)
            if isinstance(outcome, Exception):
                raise outcome
            if outcome == "hang":
                await asyncio.sleep(1000)
            return ChatReply("ok", "first")

        fallback = layer(handler, breaker=BreakerPolicy(failures=1, cooldown=5))
        with pytest.raises(ServerError):
            await fallback(request())
        await asyncio.sleep(6)
        probe = asyncio.create_task(fallback(request()))
        await asyncio.sleep(0.1)
        with pytest.raises(CircuitOpen):
            await fallback(request())
        probe.cancel()
        await asyncio.gather(probe, return_exceptions=True)
        assert (await fallback(request())).text == "ok"

    run(main())


ONCE = RetryPolicy(attempts=1)


def test_the_wrapper_falls_back_to_another_model_and_to_another_client() -> None:
    first = ScriptedClient(ServerError("503", model="a"))
    other = ScriptedClient("from elsewhere")
    with ChatClientWrapper(first, model="a", fallbacks=["b", (other, "c")], retry=ONCE) as chat:
        reply = chat.generate("Merhaba")
    assert (reply.text, reply.attempts) == ("from elsewhere", 3)
    assert [call["model"] for call in first.calls] == ["a", "b"]
    assert [call["model"] for call in other.calls] == ["c"]


def test_the_error_of_the_wrapper_carries_every_failure() -> None:
    client = ScriptedClient(*[ServerError(f"{number}", model="x") for number in range(4)])
    with ChatClientWrapper(client, fallbacks=["b"], retry=RetryPolicy(attempts=2, base=0.001)) as chat:
        with pytest.raises(ServerError) as caught:
            chat.generate("Merhaba")
    assert [str(failure) for failure in caught.value.failures] == ["0", "1", "2"]
    assert caught.value.attempts == 4


@pytest.mark.parametrize(
    ("fallbacks", "words"),
    [
        ("gpt-4o", "list of models"),
        ([5], "a model or a pair"),
        ([("x", "m")], r"chat\.completions\.create"),
        ([""], "model is empty"),
    ],
)
def test_wrong_fallbacks_are_refused(fallbacks: Any, words: str) -> None:
    with pytest.raises((TypeError, ValueError), match=words):
        ChatClientWrapper(ScriptedClient("x"), fallbacks=fallbacks)
