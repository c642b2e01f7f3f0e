"""RagPipeline: a question, the sources that are found for it, and an answer that cites them.

Not here: finding (sources.py, index.py), packing (packing.py), the prompt (prompt.py), citations
(citations.py), answers that come in pieces (stream.py).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, TypeVar

import anyio

from safechat.checks import check_count, check_seconds, check_text
from safechat.client.wrapper import ChatClientWrapper
from safechat.errors import ContextTooLong, DeadlineExceeded
from safechat.layers import Layers
from safechat.messages import ChatReply, Message
from safechat.rag.citations import citations
from safechat.rag.index import words
from safechat.rag.packing import Packed, pack
from safechat.rag.prompt import INSTRUCTIONS, messages_for
from safechat.rag.sources import Source, find, retriever
from safechat.rag.stream import AsyncRagStream, Begun, RagStream
from safechat.runtime.threads import in_thread

T = TypeVar("T")

NO_ANSWER = "The sources do not answer this question."


@dataclass(frozen=True, slots=True)
class RagAnswer:
    """An answer from sources.

    `sources` are those of the prompt: `[1]` in the text is `sources[0]`. `cited` are those that the text
    cites, `unknown` the numbers in it that no source has, `left_out` the sources that had no room. `refused`
    says why there is no answer: nothing was found, nothing that was found had room (for these two no request
    was made), or the model said so. `reply` is the model's whole reply.
    """

    text: str
    sources: tuple[Source, ...] = ()
    cited: tuple[Source, ...] = ()
    unknown: tuple[int, ...] = ()
    left_out: tuple[Source, ...] = ()
    refused: Literal["no_source", "no_room", "model"] | None = None
    reply: ChatReply | None = None

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked, of which sources, and the moment at which the answer must be there."""

    text: str
    history: tuple[Message, ...]
    params: dict[str, Any]
    ends: float
    found: tuple[Source, ...] = ()

    def left(self) -> float:
        """Seconds until the answer must be there."""
        return max(self.ends - anyio.current_time(), 0.001)


class RagPipeline:
    """Answers from your own texts, through `chat`: with its limits, retries, fallbacks, keys and log.

    `sources` finds them: a KeywordIndex, a function of the question and the number of sources, or a
    retriever of LangChain or LlamaIndex. It may be asynchronous; a blocking one runs in a thread. The best
    `max_sources` that fit into `token_budget` tokens, each as a whole, go into the prompt. A prompt that is
    too long for the model all the same is sent once more with half of them.

    `instructions` are the system message; `$no_answer` in them becomes `no_answer`, the sentence by which
    the model says that the sources do not answer. No score decides that: neither BM25 nor a distance of
    embeddings has a threshold that tells the two cases apart.

    rag = RagPipeline(chat, KeywordIndex(texts))
    print(rag.answer("İadeyi kaç günde yapmalıyım?"))
    """

    def __init__(
        self,
        chat: ChatClientWrapper,
        sources: object,
        *,
        max_sources: int = 6,
        token_budget: int = 3000,
        instructions: str = INSTRUCTIONS,
        no_answer: str = NO_ANSWER,
    ) -> None:
        self._chat = chat
        self._retrieve = retriever(sources)
        self._max_sources = check_count("max_sources", max_sources)
        self._token_budget = check_count("token_budget", token_budget)
        self._instructions = check_text("instructions", instructions)
        self._no_answer = check_text("no_answer", no_answer)
        if not words(no_answer):
            raise ValueError(f"no_answer has no word by which it could be known: {no_answer!r}")

    def answer(
        self,
        question: str,
        *,
        history: Sequence[Message] = (),
        deadline: float | None = None,
        **params: object,
    ) -> RagAnswer:
        """The answer. `history` are the messages before; `params` are those of `chat.generate`.

        The time for finding counts in `deadline` (seconds; by default the wrapper's own). Raises ChatError as
        `generate` does, DeadlineExceeded also where the sources are not found in time, and what the
        retriever raises as it is.
        """
        return self._chat.dispatcher.run(
            lambda _: self.answer_async(question, history=history, deadline=deadline, **params)
        )

    async def answer_async(
        self,
        question: str,
        *,
        history: Sequence[Message] = (),
        deadline: float | None = None,
        **params: object,
    ) -> RagAnswer:
        """`answer` for an event loop, in which an asynchronous retriever runs as well."""
        asked = await self._find(question, history, deadline, params)

        async def ask(packed: Packed) -> ChatReply:
            return await self._chat.generate_async(
                self._messages(asked, packed), deadline=asked.left(), **asked.params
            )

        packed, reply = await ask_with_room(partial(self._pack, asked), self._token_budget, ask)
        return read_answer(packed, reply, self._no_answer)

    def stream(
        self,
        question: str,
        *,
        history: Sequence[Message] = (),
        deadline: float | None = None,
        **params: object,
    ) -> RagStream[RagAnswer]:
        """The answer in pieces: `with rag.stream(question) as s`, then `s.sources`, `for piece in s`, and
        `s.answer` at the end. The sources are there before the first piece."""
        stream = self.stream_async(question, history=history, deadline=deadline, **params)
        return RagStream(self._chat.dispatcher, stream)

    def stream_async(
        self,
        question: str,
        *,
        history: Sequence[Message] = (),
        deadline: float | None = None,
        **params: object,
    ) -> AsyncRagStream[RagAnswer]:
        """`stream` for an event loop: `async with rag.stream_async(question) as s`."""

        async def begin() -> Begun[RagAnswer]:
            asked = await self._find(question, history, deadline, params)

            async def ask(packed: Packed) -> Begun[RagAnswer]:
                stream = self._chat.stream_async(
                    self._messages(asked, packed), deadline=asked.left(), **asked.params
                )
                first = await anext(stream, None)
                return Begun(
                    packed.sources, first, stream, partial(read_answer, packed, no_answer=self._no_answer)
                )

            packed, begun = await ask_with_room(partial(self._pack, asked), self._token_budget, ask)
            if begun is not None:
                return begun
            answer = read_answer(packed, None, self._no_answer)
            return Begun((), answer.text, None, lambda _: answer)

        return AsyncRagStream(begin)

    async def _find(
        self, question: str, history: Sequence[Message], deadline: float | None, params: dict[str, Any]
    ) -> Question:
        check_question(question)
        seconds = self._chat.dispatcher.defaults.deadline
        if deadline is not None:
            seconds = check_seconds("deadline", deadline)
        ends = anyio.current_time() + seconds
        with anyio.CancelScope(deadline=ends):
            found = await find(self._retrieve, question, self._max_sources, self._in_thread)
            return Question(question, tuple(history), params, ends, found)
        raise DeadlineExceeded(
            f"the sources were not found within the call's deadline of {seconds:g} s", attempts=0, sent=False
        )

    def _in_thread(self, function: Callable[[], T]) -> Awaitable[T]:
        """By the wrapper's loop, whatever the caller's is: its threads do not keep a program from ending."""
        return self._chat.dispatcher.run_async(lambda _: in_thread(function))

    async def _pack(self, question: Question, budget: int) -> Packed:
        """By the estimate that the wrapper has learned of this model, in the loop where it learns."""
        model = question.params.get("model") or self._chat.dispatcher.defaults.model

        async def packed(layers: Layers) -> Packed:
            return pack(question.found, budget, partial(layers.estimator.text, str(model)))

        return await self._chat.dispatcher.run_async(packed)

    def _messages(self, question: Question, packed: Packed) -> list[Message]:
        return messages_for(
            question.text,
            packed.sources,
            question.history,
            instructions=self._instructions,
            no_answer=self._no_answer,
        )


async def ask_with_room(
    pack: Callable[[int], Awaitable[Packed]], budget: int, ask: Callable[[Packed], Awaitable[T]]
) -> tuple[Packed, T | None]:
    """The packed sources and what `ask` gives for them; `(packed, None)`, without asking, if there are none.

    Where the prompt is too long for the model, once more with half of the tokens that it took. Raises what
    `ask` raises.
    """
    packed = await pack(budget)
    if not packed.sources:
        return packed, None
    try:
        return packed, await ask(packed)
    except ContextTooLong as error:
        too_long = error
    packed = await pack(packed.tokens // 2)
    if not packed.sources:
        raise too_long
    return packed, await ask(packed)


def read_answer(packed: Packed, reply: ChatReply | None, no_answer: str) -> RagAnswer:
    """The answer in `reply` to a prompt with these sources; None for a prompt that was not sent."""
    if reply is None:
        return RagAnswer(
            no_answer, left_out=packed.left_out, refused="no_room" if packed.left_out else "no_source"
        )
    numbers = citations(reply.text, len(packed.sources))
    says_no = not numbers.cited and _words_of(no_answer) in _words_of(reply.text)
    return RagAnswer(
        reply.text,
        packed.sources,
        tuple(packed.sources[number - 1] for number in numbers.cited),
        numbers.unknown,
        packed.left_out,
        "model" if says_no else None,
        reply,
    )


def _words_of(text: str) -> str:
    return f" {' '.join(words(text))} "


def check_question(question: object) -> None:
    """Raise TypeError or ValueError for a question that asks nothing."""
    if not check_text("the question", question).strip():
        raise ValueError("the question is empty")
