"""Source: a text that may answer a question, made from whatever a retriever gives.

A retriever is a callable `f(question, k)`, or an object with `.search(question, k)`, with `.invoke(question)`
(LangChain) or with `.retrieve(question)` (LlamaIndex). Not here: which sources fit a prompt (packing.py).
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import cast

from safechat.call.surrogates import mended
from safechat.checks import check_text

Found = Iterable[object]
Retrieve = Callable[[str, int], Found | Awaitable[Found]]
InThread = Callable[[Callable[[], Found | Awaitable[Found]]], Awaitable[Found | Awaitable[Found]]]

_TEXTS = ("text", "page_content", "content")  # of a mapping, the first that it has


@dataclass(frozen=True, slots=True)
class Source:
    """A text, with the title that the model sees and an id that only the program sees."""

    text: str
    title: str = ""
    id: str | None = None
    metadata: Mapping[str, object] = field(default_factory=dict, compare=False)

    def __post_init__(self) -> None:
        """No half of a surrogate pair stays in it, for no request and no index could hold one."""
        object.__setattr__(self, "text", mended(check_text("a source's text", self.text)))
        object.__setattr__(self, "title", mended(check_text("a source's title", self.title)))

    @classmethod
    def of(cls, value: object) -> Source:
        """From a str, a Mapping, a Source, LangChain's Document, or LlamaIndex's node with or without its
        score. TypeError for anything else."""
        if isinstance(value, Source):
            return value
        if isinstance(value, str):
            return cls(value)
        value = getattr(value, "node", value)
        if isinstance(value, Mapping):
            metadata = value.get("metadata")
            text = next((value[name] for name in _TEXTS if value.get(name) is not None), None)
            id, title = value.get("id"), value.get("title")
        else:
            metadata = getattr(value, "metadata", None)
            text = getattr(value, "page_content", None)
            text = getattr(value, "text", None) if text is None else text
            id, title = getattr(value, "id", None) or getattr(value, "node_id", None), None
        if not isinstance(text, str):
            raise TypeError(
                f"the retriever gave a {type(value).__name__} without a text: a source is a str, a Source, a "
                "mapping with 'text', or an object with .page_content or .text"
            )
        metadata = metadata if isinstance(metadata, Mapping) else {}
        title = title or metadata.get("title") or metadata.get("source") or ""
        return cls(text, str(title), None if id is None else str(id), metadata)


def retriever(given: object) -> Retrieve:
    """`given` as a function of the question and the number of sources. TypeError if it is no retriever."""
    if callable(search := getattr(given, "search", None)):
        return cast(Retrieve, search)
    for name in ("invoke", "retrieve"):
        if callable(method := getattr(given, name, None)):
            return partial(_without_a_number, method)
    if not callable(given):
        raise TypeError(
            f"a {type(given).__name__} is no retriever: it needs .search, .invoke or .retrieve, or to be a "
            "function of the question and the number of sources"
        )
    return cast(Retrieve, given)


def _without_a_number(method: Callable[[str], Found], question: str, _: int) -> Found:
    return method(question)


def sources_of(values: object) -> Iterator[Source]:
    """Source.of for each value. TypeError for what is no list of them: a text, a mapping, None."""
    if isinstance(values, str | bytes | Mapping | Source) or not isinstance(values, Iterable):
        raise TypeError(f"sources must be a list of sources, not {type(values).__name__}")
    return map(Source.of, values)


async def find(retrieve: Retrieve, question: str, most: int, in_thread: InThread) -> tuple[Source, ...]:
    """The sources, best first: at most this number, without empty texts, each once.

    A blocking retriever runs by `in_thread`. What the retriever raises is raised.
    """
    if _is_async(retrieve):
        found = retrieve(question, most)
    else:
        found = await in_thread(lambda: _listed(retrieve(question, most)))
    if isinstance(found, Awaitable):
        found = await found
    distinct: dict[str, Source] = {}
    for source in sources_of(found):
        if key := " ".join(source.text.split()):
            distinct.setdefault(key, source)
    return tuple(distinct.values())[:most]


def _is_async(retrieve: Retrieve) -> bool:
    """Whether it is a coroutine function, or an object whose call is one."""
    called = retrieve if inspect.isroutine(retrieve) else type(retrieve).__call__
    return inspect.iscoroutinefunction(called)


def _listed(found: Found | Awaitable[Found]) -> Found | Awaitable[Found]:
    """A generator reads its texts in the thread, too."""
    return found if isinstance(found, Awaitable) else list(sources_of(found))
