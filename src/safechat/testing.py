"""For the tests of programs that use safechat: no waiting, and clients that follow a script.

with no_waiting(), ChatClientWrapper(ScriptedClient(ServerError("503"), "Merhaba!")) as chat:
    assert chat.generate("Merhaba").attempts == 2
"""

from __future__ import annotations

import copy
import re
from collections import deque
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

from safechat.errors import ChatError
from safechat.messages import ChatReply, ChatRequest
from safechat.runtime import clock

Pieces = Sequence[str | Exception]
Outcome = str | ChatReply | Exception | Pieces


@contextmanager
def no_waiting() -> Iterator[None]:
    """Within the block, retries and the pauses after a 429 take no time. For the whole process.

    Limits still hold, and decisions are the same: a Retry-After past the
    deadline still fails at once.
    """
    before, clock.enabled = clock.enabled, False
    try:
        yield
    finally:
        clock.enabled = before


class ScriptedHandler:
    """A handler that gives `outcomes` one after another: a text, a reply, or an exception to raise.

    `requests` are the requests so far. When the script has ended, the last outcome is repeated.
    """

    def __init__(self, *outcomes: Outcome) -> None:
        if not outcomes:
            raise ValueError("a script needs at least one outcome")
        self._outcomes = deque(outcomes)
        self.requests: list[ChatRequest] = []

    async def __call__(self, request: ChatRequest) -> ChatReply:
        self.requests.append(request)
        outcome = _next(self._outcomes)
        if isinstance(outcome, ChatReply):
            return outcome
        return ChatReply(text=_text(outcome), model=request.model, finish_reason="stop")


class ScriptedClient:
    """A client for ChatClientWrapper that gives `outcomes` in the same way.

    An exception may be one of ours or one of the SDK's; a reply comes with its tool calls, usage,
    finish_reason and reasoning, or as its `raw` body says. A list is a stream, piece by piece, and an
    exception in it breaks the stream off there. Every outcome can be streamed, and `generate` gets a list as
    one text. `calls` are the arguments of the requests so far.
    """

    def __init__(self, *outcomes: Outcome) -> None:
        if not outcomes:
            raise ValueError("a script needs at least one outcome")
        self._outcomes = deque(outcomes)
        self.calls: list[dict[str, object]] = []
        self.chat = SimpleNamespace(completions=SimpleNamespace(create=self._create))

    async def _create(self, **arguments: object) -> object:
        self.calls.append(arguments)
        outcome = _next(self._outcomes)
        if arguments.get("stream"):
            return _chunks(outcome)
        if isinstance(outcome, ChatReply):
            return _answer(outcome)
        return _completion({"content": _text(outcome)})


def _next(outcomes: deque[Outcome]) -> str | ChatReply | Pieces:
    outcome = outcomes.popleft() if len(outcomes) > 1 else outcomes[0]
    if isinstance(outcome, Exception):
        raise _anew(outcome)
    return outcome


def _anew(error: Exception) -> Exception:
    """An error of ours is a new one each time: the layers write into it. The SDK's do not copy."""
    return copy.copy(error) if isinstance(error, ChatError) else error.with_traceback(None)


def _completion(message: Mapping[str, object], ends: str = "stop", **fields: object) -> dict[str, object]:
    """A body of the API."""
    choice = {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": ends}
    return {**fields, "choices": [choice]}


def _answer(reply: ChatReply) -> dict[str, object]:
    """The body that `reply` was read from, or could have been."""
    if reply.raw:
        return dict(reply.raw)
    message: dict[str, object] = {"content": reply.text}
    if reply.tool_calls:
        message["tool_calls"] = list(reply.tool_calls)
    if reply.reasoning:
        message["reasoning_content"] = reply.reasoning
    ends = reply.finish_reason or ("tool_calls" if reply.tool_calls else "stop")
    fields: dict[str, object] = {"model": reply.model}
    if reply.id is not None:
        fields["id"] = reply.id
    if (usage := reply.usage) is not None:
        fields["usage"] = {
            "prompt_tokens": usage.prompt_tokens,
            "completion_tokens": usage.completion_tokens,
            "total_tokens": usage.total_tokens,
            "prompt_tokens_details": {"cached_tokens": usage.cached_tokens},
            "completion_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
        }
    return _completion(message, ends, **fields)


def _text(outcome: str | Pieces) -> str:
    return outcome if isinstance(outcome, str) else "".join(_raised(outcome))


def _raised(pieces: Pieces) -> Iterator[str]:
    for piece in pieces:
        if isinstance(piece, Exception):
            raise _anew(piece)
        yield piece


async def _chunks(outcome: str | ChatReply | Pieces) -> AsyncIterator[object]:
    """The outcome as a stream: a text word by word, then what its message holds besides, then the usage."""
    body: Any = _answer(outcome) if isinstance(outcome, ChatReply) else _completion({})
    choice = body["choices"][0]
    besides = {name: value for name, value in choice["message"].items() if name != "content"}
    fields = {name: value for name, value in body.items() if name not in ("choices", "usage")}
    if isinstance(outcome, ChatReply):
        outcome = outcome.text
    for piece in _raised(re.findall(r" ?[^ ]+| +", outcome) if isinstance(outcome, str) else outcome):
        yield {**fields, "choices": [{"delta": {"content": piece}}]}
    yield {**fields, "choices": [{"delta": besides, "finish_reason": choice["finish_reason"]}]}
    if usage := body.get("usage"):
        yield {**fields, "choices": [], "usage": usage}
