"""A server that gives the same answers by Chat Completions and by the Responses API."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from sse import CHUNKED, event, http_chunk
from wire import Peer, Wire, call_item, completion, http, reasoning_item, response, text_item, wire

Call = tuple[str, str, str]  # id, name, arguments
REQUEST_ID = "x-request-id: req_5\r\n"


@dataclass(frozen=True)
class Said:
    """One answer: its text, the tools that it calls, and what the Responses API has besides."""

    text: str = ""
    calls: tuple[Call, ...] = ()
    reasons: bool = False

    def completion(self) -> dict[str, Any]:
        message: dict[str, Any] = {"role": "assistant", "content": self.text or None}
        if self.calls:
            message["tool_calls"] = [
                {"id": id, "type": "function", "function": {"name": name, "arguments": arguments}}
                for id, name, arguments in self.calls
            ]
        ends = "tool_calls" if self.calls else "stop"
        return {**completion(), "choices": [{"index": 0, "message": message, "finish_reason": ends}]}

    def response(self) -> dict[str, Any]:
        items = [call_item(*call) for call in self.calls]
        if self.text:
            items.insert(0, text_item(self.text))
        if self.reasons:
            items.insert(0, reasoning_item(encrypted_content="gAAA"))
        return response(*items, id="chatcmpl-1")


def chunks_of(body: Mapping[str, Any]) -> Iterator[bytes]:
    """A completion as a stream, two characters of text at a time."""
    choice = body["choices"][0]
    yield _chunk(body, role="assistant", content="")
    for piece in _pieces(choice["message"]["content"] or ""):
        yield _chunk(body, content=piece)
    for index, call in enumerate(choice["message"].get("tool_calls", ())):
        yield _chunk(body, tool_calls=[{**call, "index": index}])
    yield _chunk(body, choice["finish_reason"])
    fields = {name: body[name] for name in ("id", "model", "created", "usage")}
    yield event({**fields, "object": "chat.completion.chunk", "choices": []})
    yield event("[DONE]")


def _chunk(body: Mapping[str, Any], finish: str | None = None, **delta: object) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    fields = {name: body[name] for name in ("id", "model", "created")}
    return event({**fields, "object": "chat.completion.chunk", "choices": [choice]})


def events_of(body: Mapping[str, Any]) -> Iterator[bytes]:
    """A response as a stream, in the same pieces."""
    begun = {**body, "status": "in_progress", "output": [], "usage": None}
    yield _event("response.created", response=begun)
    yield _event("response.in_progress", response=begun)
    for index, item in enumerate(body["output"]):
        yield _event("response.output_item.added", output_index=index, item={**item, "content": []})
        place = {"item_id": item["id"], "output_index": index}
        if item["type"] == "message":
            part = {**item["content"][0], "text": ""}
            yield _event("response.content_part.added", part=part, content_index=0, **place)
            for piece in _pieces(item["content"][0]["text"]):
                yield _event("response.output_text.delta", delta=piece, content_index=0, logprobs=[], **place)
        elif item["type"] == "function_call":
            yield _event("response.function_call_arguments.delta", delta=item["arguments"], **place)
        yield _event("response.output_item.done", output_index=index, item=item)
    yield _event(f"response.{body['status']}", response=body)


def _event(kind: str, **fields: object) -> bytes:
    return f"event: {kind}\n".encode() + event({"type": kind, "sequence_number": 0, **fields})


def _pieces(text: str) -> list[str]:
    return [text[start : start + 2] for start in range(0, len(text), 2)]


@contextmanager
def answering(*turns: Said) -> Iterator[Wire]:
    """A server that gives these answers one after the other, in the form that each request asks for."""

    def script(peer: Peer) -> None:
        said = turns[min(len(server.requests), len(turns)) - 1]
        peer.say(in_form(said, server))

    with wire(script) as server:
        yield server


def in_form(said: Said, server: Wire) -> bytes:
    """The answer to the last request, as the API that it was sent to gives it."""
    is_response = "/responses" in server.paths[-1]
    body = said.response() if is_response else said.completion()
    if not server.requests[-1].get("stream"):
        return http(json.dumps(body).encode(), headers=REQUEST_ID)
    parts: Callable[[Mapping[str, Any]], Iterator[bytes]] = events_of if is_response else chunks_of
    head = CHUNKED.replace(b"req_9", b"req_5")
    return head + b"".join(map(http_chunk, parts(body))) + http_chunk(b"")
