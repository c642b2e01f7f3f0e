"""Streams as a server sends them: events of server-sent events, and servers that send given parts."""

from __future__ import annotations

import json
from collections.abc import Callable

from wire import Peer

HEAD = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nx-request-id: req_9\r\nconnection: close\r\n\r\n"
)
CHUNKED = HEAD.replace(b"connection: close", b"transfer-encoding: chunked")


def http_chunk(part: bytes) -> bytes:
    """A part of a body that is sent with CHUNKED: the client sees whether the body is whole."""
    return b"%x\r\n%b\r\n" % (len(part), part)


def event(data: object) -> bytes:
    return f"data: {data if isinstance(data, str) else json.dumps(data)}\n\n".encode()


def chunk(content: str | None = None, finish: str | None = None, **delta: object) -> bytes:
    if content is not None:
        delta["content"] = content
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return event(
        {"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "m-1", "choices": [choice]}
    )


ROLE = chunk("", role="assistant")
DONE = event("[DONE]")
USAGE = event({"id": "1", "model": "m-1", "choices": [],
               "usage": {"prompt_tokens": 9, "completion_tokens": 2, "total_tokens": 11}})  # fmt: skip


def sends(*parts: bytes | float, ends: str = "close") -> Callable[[Peer], None]:
    """A server that sends these parts; a number is a pause in seconds."""
    is_reset = ends == "reset"

    def script(peer: Peer) -> None:
        peer.say(CHUNKED if is_reset else HEAD)
        for part in parts:
            if isinstance(part, bytes):
                peer.say(http_chunk(part) if is_reset else part)
            elif peer.pause(part):
                return
        peer.reset() if is_reset else peer.close()

    return script
