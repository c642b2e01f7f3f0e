"""A server that says, byte for byte, what a test tells it to. Real sockets, on loopback."""

from __future__ import annotations

import json
import socket
import struct
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass
class Peer:
    """One connection, from the server's side."""

    connection: socket.socket
    over: threading.Event

    def say(self, data: bytes) -> None:
        self.connection.sendall(data)

    def pause(self, seconds: float) -> bool:
        """Wait; True when the test is over."""
        return self.over.wait(seconds)

    def reset(self) -> None:
        """Close with RST in place of FIN: what is on its way is lost."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close()

    def close(self) -> None:
        socket.close(self.connection.detach())  # close() would wait for the reader's file


Script = Callable[[Peer], None]


@dataclass
class Wire:
    """Answers every request with `script`; `requests` are the bodies that came, `paths` where to."""

    script: Script
    port: int = 0
    requests: list[dict[str, object]] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    asked: threading.Event = field(default_factory=threading.Event)
    hung_up: threading.Event = field(default_factory=threading.Event)

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"


@contextmanager
def wire(script: Script) -> Iterator[Wire]:
    """A running Wire."""
    listener = socket.create_server(("127.0.0.1", 0))
    served = Wire(script, listener.getsockname()[1])
    over = threading.Event()

    def serve(connection: socket.socket) -> None:
        with connection:
            reader = connection.makefile("rb")
            try:
                while (request := _request(reader)) is not None:
                    path, body = request
                    served.paths.append(path)
                    served.requests.append(json.loads(body or b"{}"))
                    served.asked.set()
                    served.script(Peer(connection, over))
            except OSError:
                served.hung_up.set()

    def accept() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=serve, args=(connection,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield served
    finally:
        over.set()
        listener.close()


def _request(reader: socket.SocketIO | object) -> tuple[str, bytes] | None:
    readline, read = reader.readline, reader.read  # type: ignore[union-attr]
    if not (first := readline()):
        return None
    length = 0
    while (line := readline().strip()) != b"":
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            length = int(value)
    return first.split()[1].decode(), bytes(read(length))


def http(body: bytes, *, status: str = "200 OK", length: int | None = None, headers: str = "") -> bytes:
    """An HTTP answer; `length` may lie."""
    size = len(body) if length is None else length
    head = f"HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {size}\r\n{headers}\r\n"
    return head.encode() + body


def completion(text: str | None = "Merhaba!", **choice: object) -> dict[str, object]:
    """A chat completion as the API gives it."""
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": "gpt-5-mini-2025-08-07",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": text},
                "finish_reason": "stop",
                **choice,
            }
        ],
        "usage": {
            "prompt_tokens": 9,
            "completion_tokens": 5,
            "total_tokens": 14,
            "prompt_tokens_details": {"cached_tokens": 2},
            "completion_tokens_details": {"reasoning_tokens": 3},
        },
    }


def response(*output: Mapping[str, object], **fields: object) -> dict[str, object]:
    """A response as the API gives it, with the model and the tokens of `completion`."""
    return {
        "id": "resp_1",
        "object": "response",
        "created_at": 1,
        "status": "completed",
        "model": "gpt-5-mini-2025-08-07",
        "error": None,
        "incomplete_details": None,
        "output": list(output),
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
        "usage": {
            "input_tokens": 9,
            "output_tokens": 5,
            "total_tokens": 14,
            "input_tokens_details": {"cached_tokens": 2, "cache_write_tokens": 0},
            "output_tokens_details": {"reasoning_tokens": 3},
        },
        **fields,
    }


def text_item(text: str, **fields: object) -> dict[str, object]:
    """The item of a response that says `text`."""
    content = [{"type": "output_text", "text": text, "annotations": [], "logprobs": []}]
    return {
        "type": "message",
        "id": "msg_1",
        "status": "completed",
        "role": "assistant",
        "content": content,
        **fields,
    }


def call_item(call_id: str, name: str, arguments: str) -> dict[str, object]:
    """The item of a response that calls a tool."""
    return {
        "type": "function_call",
        "id": "fc_1",
        "call_id": call_id,
        "name": name,
        "arguments": arguments,
        "status": "completed",
    }


def reasoning_item(summary: list[str] | None = None, **fields: object) -> dict[str, object]:
    """The item of a response that shows what the model thought."""
    parts = [{"type": "summary_text", "text": text} for text in summary or []]
    return {"type": "reasoning", "id": "rs_1", "summary": parts, **fields}
