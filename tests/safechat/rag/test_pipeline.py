"""RagPipeline: the answer and its sources, what goes wrong, and that no request is made in vain."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from typing import Any

import anyio
import pytest

from safechat import (
    ChatClientWrapper,
    ChatReply,
    ContextTooLong,
    DeadlineExceeded,
    RateLimits,
    ServerError,
    TruncatedReply,
    Usage,
)
from safechat.rag import KeywordIndex, RagPipeline, Source
from safechat.rag.pipeline import NO_ANSWER
from safechat.testing import ScriptedClient, no_waiting

FOUND = [
    Source("İade 14 gündür.", "İade"),
    Source("Kargo 59 liradır.", "Kargo"),
    Source("Fatura e-postayla gelir."),
]
Retriever = Any


@pytest.fixture(autouse=True)
def _no_waiting() -> Iterator[None]:
    with no_waiting():
        yield


def find(question: str, k: int) -> list[Source]:
    return FOUND[:k]


def test_an_answer_names_the_sources_that_it_cites() -> None:
    with ChatClientWrapper(ScriptedClient("14 gün [1], 59 lira [2] ve [8].")) as chat:
        answer = RagPipeline(chat, find).answer("İade?")
    assert answer.text == str(answer) == "14 gün [1], 59 lira [2] ve [8]."
    assert (answer.sources, answer.cited, answer.unknown) == (tuple(FOUND), tuple(FOUND[:2]), (8,))
    assert (answer.refused, answer.left_out) == (None, ())
    assert answer.reply is not None
    assert answer.reply.attempts == 1


async def test_an_asynchronous_retriever_runs_in_the_callers_loop() -> None:
    loops: list[asyncio.AbstractEventLoop] = []

    async def find(question: str, k: int) -> list[Source]:
        loops.append(asyncio.get_running_loop())
        return FOUND

    async with ChatClientWrapper(ScriptedClient("14 gün [1]")) as chat:
        answer = await RagPipeline(chat, find).answer_async("İade?", max_completion_tokens=50)
    assert answer.cited == (FOUND[0],)
    assert loops == [asyncio.get_running_loop()]


def test_arguments_of_generate_go_on_to_it() -> None:
    client = ScriptedClient("14 gün [1]")
    history = [{"role": "user", "content": "önceki soru"}]
    with ChatClientWrapper(client) as chat:
        RagPipeline(chat, find).answer("İade?", history=history, model="m", max_completion_tokens=50)
    (call,) = client.calls
    assert (call["model"], call["max_completion_tokens"]) == ("m", 50)
    messages: Any = call["messages"]
    assert messages[1] == history[0]


@pytest.mark.parametrize("question", ["", " \n"])
def test_an_empty_question_is_refused(question: str) -> None:
    with ChatClientWrapper(ScriptedClient("x")) as chat, pytest.raises(ValueError, match="question is empty"):
        RagPipeline(chat, find).answer(question)


@pytest.mark.parametrize(
    ("found", "budget", "refused", "left_out"),
    [([], 3000, "no_source", 0), (["", " "], 3000, "no_source", 0), (["x" * 9000], 100, "no_room", 1)],
)
def test_without_a_source_nothing_is_asked(
    found: list[str], budget: int, refused: str, left_out: int
) -> None:
    client = ScriptedClient("x")
    with ChatClientWrapper(client) as chat:
        rag = RagPipeline(chat, lambda question, k: found, token_budget=budget)
        answer = rag.answer("İade?")
        with rag.stream("İade?") as stream:
            assert [*stream] == [NO_ANSWER]
    assert client.calls == []
    assert stream.answer == answer
    assert (answer.refused, len(answer.left_out), answer.text) == (refused, left_out, NO_ANSWER)


@pytest.mark.parametrize(
    "text",
    ["Kaynaklarda bunu bulamadım.", "kaynaklarda bunu bulamadim", "Üzgünüm. **Kaynaklarda bunu bulamadım.**"],
)
def test_the_model_may_say_that_the_sources_do_not_answer(text: str) -> None:
    with ChatClientWrapper(ScriptedClient(text)) as chat:
        answer = RagPipeline(chat, find, no_answer="Kaynaklarda bunu bulamadım.").answer("Hava nasıl?")
    assert answer.refused == "model"
    assert answer.reply is not None


def test_only_whole_words_say_so() -> None:
    with ChatClientWrapper(ScriptedClient("Nothing is known of it.")) as chat:
        assert RagPipeline(chat, find, no_answer="No").answer("İade?").refused is None


@pytest.mark.parametrize("wrong", [{"no_answer": "…"}, {"no_answer": 3}, {"instructions": None}])
def test_the_texts_are_checked(wrong: dict[str, Any]) -> None:
    with ChatClientWrapper(ScriptedClient("x")) as chat, pytest.raises((ValueError, TypeError)):
        RagPipeline(chat, find, **wrong)


def test_a_prompt_that_is_too_long_is_sent_once_more_with_half() -> None:
    client = ScriptedClient(ContextTooLong("too long"), "14 gün [1]")
    with ChatClientWrapper(client) as chat:
        answer = RagPipeline(chat, find).answer("İade?")
    assert len(client.calls) == 2
    assert 0 < len(answer.sources) < 3
    assert answer.sources + answer.left_out == tuple(FOUND)


def test_then_it_is_an_error() -> None:
    client = ScriptedClient(ContextTooLong("too long"))
    with ChatClientWrapper(client) as chat, pytest.raises(ContextTooLong):
        RagPipeline(chat, find).answer("İade?")
    assert len(client.calls) == 2


def test_one_source_that_is_too_long_cannot_be_halved() -> None:
    client = ScriptedClient(ContextTooLong("too long"))
    with ChatClientWrapper(client) as chat, pytest.raises(ContextTooLong):
        RagPipeline(chat, lambda question, k: FOUND[:1]).answer("İade?")
    assert len(client.calls) == 1


def test_the_wrappers_retries_work_behind_it() -> None:
    with ChatClientWrapper(ScriptedClient(ServerError("503"), "14 gün [1]")) as chat:
        answer = RagPipeline(chat, find).answer("İade?")
    assert answer.reply is not None
    assert answer.reply.attempts == 2


def test_a_retriever_that_hangs_ends_at_the_deadline() -> None:
    release = threading.Event()
    client = ScriptedClient("x")

    def hangs(question: str, k: int) -> list[Source]:
        release.wait(60)
        return FOUND

    with ChatClientWrapper(client) as chat:
        with pytest.raises(DeadlineExceeded, match="sources were not found"):
            RagPipeline(chat, hangs).answer("İade?", deadline=0.05)
        release.set()
    assert client.calls == []


async def test_a_blocking_retriever_does_not_keep_a_program_from_ending() -> None:
    threads: list[threading.Thread] = []

    def blocking(question: str, k: int) -> list[Source]:
        threads.append(threading.current_thread())
        return FOUND

    async with ChatClientWrapper(ScriptedClient("14 gün [1]")) as chat:
        await RagPipeline(chat, blocking).answer_async("İade?")
    assert [thread.daemon for thread in threads] == [True]


async def test_the_time_for_finding_counts_in_the_deadline() -> None:
    async def slow(question: str, k: int) -> list[Source]:
        await anyio.sleep(0.2)
        return FOUND

    class Hanging(ScriptedClient):
        async def _create(self, **arguments: object) -> object:
            await anyio.sleep(60)
            return await super()._create(**arguments)

    async with ChatClientWrapper(Hanging("x"), timeout=30) as chat:
        with pytest.raises(DeadlineExceeded, match=r"deadline of 0\.\d"):
            await RagPipeline(chat, slow).answer_async("İade?", deadline=1.0)


def test_a_retrievers_error_is_the_callers() -> None:
    def broken(question: str, k: int) -> list[Source]:
        raise TimeoutError("the database did not answer")

    with ChatClientWrapper(ScriptedClient("x")) as chat:
        rag = RagPipeline(chat, broken)
        with pytest.raises(TimeoutError, match="the database did not answer"):
            rag.answer("İade?")
        with pytest.raises(TimeoutError, match="the database did not answer"), rag.stream("İade?"):
            pass


def test_a_stream_knows_its_sources_before_the_first_piece() -> None:
    with ChatClientWrapper(ScriptedClient("14 gün [1] ve [9]")) as chat:
        stream = RagPipeline(chat, find).stream("İade?")
        with pytest.raises(RuntimeError, match="with block"):
            _ = stream.sources
        with stream:
            assert stream.sources == tuple(FOUND)
            with pytest.raises(RuntimeError, match="has not come to its end"):
                _ = stream.answer
            assert "".join(stream) == "14 gün [1] ve [9]"
            assert [*stream] == []
        assert (stream.answer.cited, stream.answer.unknown) == ((FOUND[0],), (9,))


def test_a_stream_needs_no_block() -> None:
    with ChatClientWrapper(ScriptedClient("14 gün [1]")) as chat:
        stream = RagPipeline(chat, find).stream("İade?")
        assert "".join(stream) == "14 gün [1]"
        assert stream.answer.cited == (FOUND[0],)


async def test_a_stream_that_is_too_long_is_begun_again_with_half() -> None:
    client = ScriptedClient(ContextTooLong("too long"), "14 gün [1]")
    async with ChatClientWrapper(client) as chat:
        async with RagPipeline(chat, find).stream_async("İade?") as stream:
            assert 0 < len(stream.sources) < 3
            assert "".join([piece async for piece in stream]) == "14 gün [1]"
    assert len(stream.answer.left_out) == 3 - len(stream.sources)


async def test_a_stream_that_breaks_off_has_no_answer() -> None:
    async with ChatClientWrapper(ScriptedClient(["14 ", TruncatedReply("cut")])) as chat:
        async with RagPipeline(chat, find).stream_async("İade?") as stream:
            with pytest.raises(TruncatedReply):
                [piece async for piece in stream]
            with pytest.raises(RuntimeError, match="has not come to its end"):
                _ = stream.answer


async def test_a_stream_that_is_left_or_cancelled_gives_its_slot_back() -> None:
    async with ChatClientWrapper(ScriptedClient(["a"] * 5000), limits=RateLimits(concurrency=1)) as chat:
        rag = RagPipeline(chat, find)
        async with rag.stream_async("İade?") as stream:
            await anext(stream)

        async def cancelled() -> None:
            async with rag.stream_async("İade?") as stream:
                with anyio.CancelScope() as scope:
                    scope.cancel()
                    await anext(stream)
                await anext(stream)

        await cancelled()
        with anyio.fail_after(30):
            async with rag.stream_async("İade?") as stream:
                assert await anext(stream) == "a"


def test_a_stream_that_nobody_holds_gives_its_slot_back() -> None:
    with ChatClientWrapper(ScriptedClient(["a"] * 5000), limits=RateLimits(concurrency=1)) as chat:
        rag = RagPipeline(chat, find)
        next(rag.stream("İade?"))
        assert next(rag.stream("İade?", deadline=30)) == "a"


def test_the_budget_is_by_what_the_wrapper_has_learned() -> None:
    """Answers that cost 1.2 tokens for each character leave room for less than the first guess of 0.5."""
    costly = [ChatReply("tamam", "m", "stop", Usage(tokens, 1, tokens)) for tokens in (12_000, 24_000)]
    found = [Source(f"{number}" * 500) for number in range(5)]
    with ChatClientWrapper(ScriptedClient("tamam", *costly, "tamam"), model="m") as chat:
        rag = RagPipeline(chat, lambda question, k: found, token_budget=1500)
        before = len(rag.answer("İade?").sources)
        chat.generate("y" * 10_000)
        chat.generate("y" * 20_000)
        after = len(rag.answer("İade?").sources)
    assert after < before == 5


def test_an_index_is_a_retriever() -> None:
    with KeywordIndex(FOUND) as index, ChatClientWrapper(ScriptedClient("59 lira [1]")) as chat:
        assert RagPipeline(chat, index).answer("Kargonun ücreti nedir?").cited == (FOUND[1],)


@pytest.mark.parametrize("wrong", [{"max_sources": 0}, {"token_budget": 0}, {"max_sources": 2.5}])
def test_numbers_are_checked(wrong: dict[str, Any]) -> None:
    with ChatClientWrapper(ScriptedClient("x")) as chat, pytest.raises((ValueError, TypeError)):
        RagPipeline(chat, find, **wrong)
