"""A reply in the API's own form: one body, or the chunks of a stream.

Not here: the whole body (client/bodies.py), the requests that they answer (openai.py), errors before the
answer begins (openai_errors.py).
"""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Mapping
from typing import Any, Protocol

from safechat.adapters.openai_errors import answer_in, error_body
from safechat.client.bodies import body_of, completion_of
from safechat.errors import ChatError
from safechat.messages import ChatReply

_DONE = b"data: [DONE]\n\n"


class Pieces(Protocol):
    """An answer in the API's own form, whole or in pieces."""

    def body(self, reply: ChatReply) -> dict[str, object]: ...

    def piece(self, text: str) -> bytes: ...

    def end(self, reply: ChatReply) -> bytes: ...

    def end_by(self, error: ChatError) -> bytes: ...


class PassedOn:
    """The answers of all but Chat Completions, which come as they are; of a stream nothing is left for its
    end."""

    def body(self, reply: ChatReply) -> dict[str, object]:
        return body_of(reply)

    def piece(self, text: str) -> bytes:
        return f"data: {text}\n\n".encode()

    def end(self, reply: ChatReply) -> bytes:
        return b""

    def end_by(self, error: ChatError) -> bytes:
        """An error, unless the last event was an answer to the SDK: one that was cut, or that a filter
        stopped."""
        if answer_in(error) is not None:
            return b""
        return _event({"type": "error", "error": error_body(error)})


class Chunks:
    """The chunks of one answer to the request that had this `body`."""

    def __init__(self, body: Mapping[str, Any]) -> None:
        self._wants_usage = bool((body.get("stream_options") or {}).get("include_usage"))
        self._fields: dict[str, object] = {
            "id": f"chatcmpl-{secrets.token_hex(12)}",
            "object": "chat.completion.chunk",
            "created": int(time.time()),
            "model": body.get("model"),
        }
        self._begun = False

    def body(self, reply: ChatReply) -> dict[str, object]:
        return completion_of(reply)

    def piece(self, text: str) -> bytes:
        """A piece of the first choice's text."""
        role = {} if self._begun else {"role": "assistant"}
        self._begun = True
        return self._event([{"index": 0, "delta": {**role, "content": text}, "finish_reason": None}])

    def end(self, reply: ChatReply) -> bytes:
        """What the reply holds besides those pieces, and the end of the stream."""
        raw: Any = completion_of(reply)
        own = ("id", "object", "created", "choices", "usage")
        self._fields |= {"model": reply.model, **{name: raw[name] for name in raw if name not in own}}
        events = [self._event([self._rest(choice)]) for choice in raw.get("choices") or ()]
        if self._wants_usage:
            events.append(self._event([], usage=raw.get("usage")))
        return b"".join(events) + _DONE

    def end_by(self, error: ChatError) -> bytes:
        """The end of a stream that failed. One that a filter stopped has only another finish_reason."""
        if (reply := answer_in(error)) is not None:
            return self.end(reply)
        return b"event: error\n" + _event({"error": error_body(error)})

    def _rest(self, choice: Mapping[str, Any]) -> dict[str, Any]:
        """One choice, without the text that has come already."""
        message = {name: value for name, value in choice["message"].items() if value}
        if self._begun and not choice.get("index"):
            message.pop("content", None)
        if calls := message.get("tool_calls"):
            message["tool_calls"] = [{**call, "index": index} for index, call in enumerate(calls)]
        besides = {name: value for name, value in choice.items() if name != "message"}
        return {"index": 0, **besides, "delta": message}

    def _event(self, choices: list[dict[str, Any]], **fields: object) -> bytes:
        return _event({**self._fields, "choices": choices, **fields})


def _event(data: Mapping[str, object]) -> bytes:
    return f"data: {json.dumps(data, ensure_ascii=False)}\n\n".encode()
