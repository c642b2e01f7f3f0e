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
        self._outcomes = _script(outcomes)
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
    one text. The same comes by either API. `calls` are the arguments of the requests so far.
    """

    def __init__(self, *outcomes: Outcome) -> None:
        self._outcomes = _script(outcomes)
        self.calls: list[dict[str, object]] = []
        self.chat = SimpleNamespace(completions=SimpleNamespace(create=self._create))
        self.responses = SimpleNamespace(create=self._respond)

    async def _create(self, **arguments: object) -> object:
        self.calls.append(arguments)
        outcome = _next(self._outcomes)
        return _chunks(outcome) if arguments.get("stream") else _body(outcome)

    async def _respond(self, **arguments: object) -> object:
        self.calls.append(arguments)
        outcome = _next(self._outcomes)
        return _events(outcome) if arguments.get("stream") else _response(_body(outcome), outcome)


def _script(outcomes: Sequence[Outcome]) -> deque[Outcome]:
    if not outcomes:
        raise ValueError("a script needs at least one outcome")
    for outcome in outcomes:
        is_list = isinstance(outcome, list | tuple) and all(isinstance(p, str | Exception) for p in outcome)
        if not (is_list or isinstance(outcome, str | ChatReply | Exception)):
            raise TypeError(
                "an outcome is a text, a ChatReply, an exception, or a list of texts and exceptions, not "
                f"{outcome!r}"
            )
    return deque(outcomes)


def _next(outcomes: deque[Outcome]) -> str | ChatReply | Pieces:
    outcome = outcomes.popleft() if len(outcomes) > 1 else outcomes[0]
    if isinstance(outcome, Exception):
        raise _anew(outcome)
    return outcome


def _anew(error: Exception) -> Exception:
    """An error of ours is a new one each time: the layers write into it. The SDK's do not copy."""
    return copy.copy(error) if isinstance(error, ChatError) else error.with_traceback(None)


# Why a response is incomplete, by the finish_reason of a completion.
_INCOMPLETE = {"length": "max_output_tokens", "content_filter": "content_filter"}


def _completion(message: Mapping[str, object], ends: str = "stop", **fields: object) -> dict[str, object]:
    """A body of the API."""
    choice = {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": ends}
    return {**fields, "choices": [choice]}


def _body(outcome: str | ChatReply | Pieces) -> dict[str, object]:
    return _answer(outcome) if isinstance(outcome, ChatReply) else _completion({"content": _text(outcome)})


def _response(completion: Any, outcome: object = None) -> dict[str, object]:
    """The same answer as the Responses API gives it, or the one that `outcome` was read from."""
    if isinstance(outcome, ChatReply) and "output" in outcome.raw:
        return dict(outcome.raw)
    if not completion.get("choices"):
        return dict(completion)
    choice = completion["choices"][0]
    message, ends = choice["message"], choice.get("finish_reason")
    output: list[object] = []
    if reasoning := message.get("reasoning_content"):
        output.append({"type": "reasoning", "summary": [{"type": "summary_text", "text": reasoning}]})
    for kind, name in (("output_text", "content"), ("refusal", "refusal")):
        if said := message.get(name):
            part = {"type": kind, "refusal" if name == "refusal" else "text": said}
            output.append({"type": "message", "role": "assistant", "content": [part]})
    for call in message.get("tool_calls") or ():
        kind = call.get("type") or "function"
        form = "function_call" if kind == "function" else "custom_tool_call"
        output.append({"type": form, "call_id": call.get("id"), **call[kind]})
    fields = {name: value for name, value in completion.items() if name != "choices"}
    body = {**fields, "object": "response", "status": "completed", "output": output}
    if ends in _INCOMPLETE:
        body |= {"status": "incomplete", "incomplete_details": {"reason": _INCOMPLETE[ends]}}
    return body


def _answer(reply: ChatReply) -> dict[str, object]:
    """The body that `reply` was read from, or could have been."""
    if reply.raw and "output" not in reply.raw:
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
    for piece in _pieces(outcome):
        yield {**fields, "choices": [{"delta": {"content": piece}}]}
    yield {**fields, "choices": [{"delta": besides, "finish_reason": choice["finish_reason"]}]}
    if usage := body.get("usage"):
        yield {**fields, "choices": [], "usage": usage}


async def _events(outcome: str | ChatReply | Pieces) -> AsyncIterator[object]:
    """The same as a stream of the Responses API."""
    texts: list[str] = []
    for piece in _pieces(outcome):
        texts.append(piece)
        yield {"type": "response.output_text.delta", "delta": piece}
    body = _response(_body(outcome if isinstance(outcome, ChatReply) else "".join(texts)), outcome)
    yield {"type": f"response.{body.get('status')}", "response": body}


def _pieces(outcome: str | ChatReply | Pieces) -> Iterator[str]:
    """A text word by word."""
    if isinstance(outcome, ChatReply):
        outcome = outcome.text
    return _raised(re.findall(r" ?[^ ]+| +", outcome) if isinstance(outcome, str) else outcome)
