"""What a retriever is, and what it may give."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from safechat.rag.sources import Source, find, retriever
from safechat.runtime.threads import in_thread

GIVEN: dict[str, object] = {
    "a str": "iade 14 gün",
    "a source": Source("iade 14 gün", "İade", "a"),
    "a mapping": {"text": "iade 14 gün", "title": "İade", "id": "a"},
    "LangChain": SimpleNamespace(page_content="iade 14 gün", metadata={"title": "İade"}, id="a"),
    "LlamaIndex": SimpleNamespace(
        node=SimpleNamespace(text="iade 14 gün", metadata={"title": "İade"}, node_id="a"), score=0.3
    ),
}


@pytest.mark.parametrize("value", GIVEN.values(), ids=list(GIVEN))
def test_what_a_retriever_gives_becomes_a_source(value: object) -> None:
    source = Source.of(value)
    assert source.text == "iade 14 gün"
    assert isinstance(value, str) or (source.title, source.id) == ("İade", "a")


@pytest.mark.parametrize("value", [None, 3, {"body": "x"}, {"text": 3}, object(), b"x"])
def test_what_has_no_text_is_refused_by_its_type(value: object) -> None:
    with pytest.raises(TypeError, match="without a text"):
        Source.of(value)


EMPTY: dict[str, object] = {
    "LangChain": SimpleNamespace(page_content="", metadata={}, id=None),
    "LlamaIndex": SimpleNamespace(node=SimpleNamespace(text="", metadata={}, node_id="a"), score=0.3),
    "a mapping": {"text": None, "content": ""},
}


@pytest.mark.parametrize("value", EMPTY.values(), ids=list(EMPTY))
def test_an_empty_text_is_a_text(value: object) -> None:
    assert Source.of(value).text == ""


def test_half_of_a_surrogate_pair_does_not_stay_in_a_source() -> None:
    source = Source("a\ud83d b\ud83d\ude00", "\ude00")
    assert (source.text, source.title) == ("a\ufffd b\U0001f600", "\ufffd")


async def asynchronous(question: str, k: int) -> list[str]:
    return [question, str(k)]


class Asynchronous:
    async def __call__(self, question: str, k: int) -> list[str]:
        return [question, str(k)]


def generator(question: str, k: int) -> Iterator[str]:
    yield question
    yield str(k)


RETRIEVERS: dict[str, object] = {
    "a function": lambda question, k: [question, str(k)],
    "a generator": generator,
    "a coroutine function": asynchronous,
    "an object whose call is one": Asynchronous(),
    "search": SimpleNamespace(search=lambda question, k: [question, str(k)]),
    "invoke": SimpleNamespace(invoke=lambda question: [question, "3"]),
    "retrieve": SimpleNamespace(retrieve=lambda question: [question, "3"]),
    "an awaitable from a plain function": lambda question, k: asynchronous(question, k),
}


@pytest.mark.parametrize("given", RETRIEVERS.values(), ids=list(RETRIEVERS))
async def test_every_kind_of_retriever_is_asked(given: object) -> None:
    found = await find(retriever(given), "soru", 3, in_thread)
    assert [source.text for source in found] == ["soru", "3"]


def test_anything_else_is_no_retriever() -> None:
    with pytest.raises(TypeError, match=r"needs \.search, \.invoke or \.retrieve"):
        retriever(["a", "b"])


async def test_a_blocking_retriever_runs_in_a_thread() -> None:
    threads: list[int] = []

    def blocking(question: str, k: int) -> list[str]:
        threads.append(threading.get_ident())
        return []

    await find(retriever(blocking), "soru", 3, in_thread)
    assert threads != [threading.get_ident()]


async def test_empty_texts_and_doubles_are_left_out_and_the_rest_is_cut() -> None:
    texts = ["iade", "", " \n", "iade ", "kargo", "ödeme", "fatura"]
    found = await find(retriever(lambda question, k: texts), "soru", 3, in_thread)
    assert [source.text for source in found] == ["iade", "kargo", "ödeme"]


@pytest.mark.parametrize("values", [None, "iade", b"iade", {"documents": ["iade"]}, Source("iade"), 3])
async def test_what_is_no_list_of_sources_is_refused(values: Any) -> None:
    async def asynchronous(question: str, k: int) -> Any:
        return values

    for given in (lambda question, k: values, asynchronous):
        with pytest.raises(TypeError, match="must be a list of sources, not "):
            await find(retriever(given), "soru", 3, in_thread)


async def test_a_retrievers_own_exception_passes() -> None:
    def broken(question: str, k: int) -> list[Any]:
        raise LookupError("no such collection")

    with pytest.raises(LookupError, match="no such collection"):
        await find(retriever(broken), "soru", 3, in_thread)
