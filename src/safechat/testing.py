"""For the tests of programs that use safechat: no waiting, and clients that follow a script.

with no_waiting(), ChatClientWrapper(ScriptedClient(ServerError("503"), "Merhaba!")) as chat:
    assert chat.generate("Merhaba").attempts == 2
"""

from __future__ import annotations

import copy
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace

from safechat.messages import ChatReply, ChatRequest
from safechat.runtime import clock

Outcome = str | ChatReply | Exception


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
        if isinstance(outcome, str):
            return ChatReply(text=outcome, model=request.model, finish_reason="stop")
        return outcome


class ScriptedClient:
    """A client for ChatClientWrapper that gives `outcomes` in the same way.

    `calls` are the arguments of the requests so far.
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
        text = outcome if isinstance(outcome, str) else outcome.text
        if arguments.get("stream"):
            return _chunks(text)
        return {"choices": [{"message": {"content": text}, "finish_reason": "stop"}]}


def _next(outcomes: deque[Outcome]) -> str | ChatReply:
    outcome = outcomes.popleft() if len(outcomes) > 1 else outcomes[0]
    if isinstance(outcome, Exception):
        raise copy.copy(outcome)  # a new error each time: the layers write into it
    return outcome


def _chunks(text: str) -> list[object]:
    """`text` as a stream, one word per chunk."""
    words = text.split(" ")
    pieces = [word if number == 0 else f" {word}" for number, word in enumerate(words)]
    chunks: list[object] = [{"choices": [{"delta": {"content": piece}}]} for piece in pieces]
    return [*chunks, {"choices": [{"delta": {}, "finish_reason": "stop"}]}]
