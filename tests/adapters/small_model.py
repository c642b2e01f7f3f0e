"""A server that behaves like a small model: it calls the tools that it is given, fills a schema, streams, and
counts tokens. What it says is always the same for the same question. Real sockets, on loopback."""

from __future__ import annotations

import json
import re
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

KEY = "sk-of-the-adapters-0000"
ANSWER = "Merhaba! The sky is blue [1]."
REQUEST_ID = "req-of-the-small-model"
USAGE = {
    "prompt_tokens": 9,
    "completion_tokens": 5,
    "total_tokens": 14,
    "prompt_tokens_details": {"cached_tokens": 2},
    "completion_tokens_details": {"reasoning_tokens": 3},
}


@dataclass
class SmallModel:
    """`requests` are the bodies that came, `paths` where to. What is in `script` is answered first: a dict is
    the body of a 200, an int the status of an error."""

    base_url: str = ""
    requests: list[dict[str, Any]] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    script: deque[dict[str, Any] | int] = field(default_factory=deque)
    hung_up: threading.Event = field(default_factory=threading.Event)


@contextmanager
def small_model() -> Iterator[SmallModel]:
    """A running SmallModel."""
    served = SmallModel()

    class Api(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            served.paths.append(self.path)
            self._say(200, {"object": "list", "data": [{"id": "small", "object": "model", "created": 1}]})

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            served.requests.append(body)
            served.paths.append(self.path)
            scripted = served.script.popleft() if served.script else None
            if isinstance(scripted, int):
                error = {"message": "as the test wants it", "type": "a_type", "code": "a_code", "param": None}
                self._say(scripted, {"error": error})
            elif scripted is None and self.path.endswith("/embeddings"):
                self._say(200, _embeddings(body))
            elif scripted is None and body.get("stream"):
                self._stream(_completion(body))
            else:
                self._say(200, scripted or _completion(body))

        def _say(self, status: int, body: dict[str, Any]) -> None:
            data = json.dumps(body, ensure_ascii=False).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(data)))
            self._end_headers()
            self.wfile.write(data)

        def _stream(self, completion: dict[str, Any]) -> None:
            self.send_response(200)
            self.send_header("content-type", "text/event-stream")
            self.send_header("connection", "close")
            self._end_headers()
            try:
                for chunk in _chunks(completion):
                    self.wfile.write(f"data: {json.dumps(chunk, ensure_ascii=False)}\n\n".encode())
                    self.wfile.flush()
                self.wfile.write(b"data: [DONE]\n\n")
            except OSError:
                served.hung_up.set()
            self.close_connection = True

        def _end_headers(self) -> None:
            self.send_header("x-request-id", REQUEST_ID)
            self.send_header("x-ratelimit-remaining-requests", "59")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Api)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    served.base_url = f"http://127.0.0.1:{server.server_port}/v1"
    try:
        yield served
    finally:
        server.shutdown()
        server.server_close()


def _completion(request: dict[str, Any]) -> dict[str, Any]:
    message = _message(request)
    reason = "tool_calls" if "tool_calls" in message else "stop"
    choices = [
        {"index": index, "message": {"role": "assistant", **message}, "finish_reason": reason}
        for index in range(request.get("n") or 1)
    ]
    fields = {"id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": request["model"]}
    return {**fields, "choices": choices, "usage": USAGE}


def _message(request: dict[str, Any]) -> dict[str, Any]:
    """Tool calls where there are tools that have not answered yet; JSON where a schema asks for it."""
    last = request["messages"][-1]
    question = json.dumps(request["messages"], ensure_ascii=False)
    tools = [tool["function"] for tool in request.get("tools", ())]
    chosen = request.get("tool_choice", "auto")
    if tools and chosen != "none" and (last["role"] != "tool" or chosen not in ("auto", None)):
        named = chosen["function"]["name"] if isinstance(chosen, dict) else None
        tool = next((tool for tool in tools if tool["name"] == named or (not named and tool)), tools[0])
        arguments = json.dumps(example(tool.get("parameters", {}), question), ensure_ascii=False)
        call = {
            "id": "call_1",
            "type": "function",
            "function": {"name": tool["name"], "arguments": arguments},
        }
        return {"content": None, "tool_calls": [call]}
    format = request.get("response_format") or {}
    if format.get("type") == "json_schema":
        return {"content": json.dumps(example(format["json_schema"]["schema"], question), ensure_ascii=False)}
    return {"content": ANSWER}


def example(schema: dict[str, Any], question: str, definitions: dict[str, Any] | None = None) -> Any:
    """A value that fits the schema; a text is the first that is quoted in the question."""
    definitions = schema.get("$defs", definitions or {})
    if "$ref" in schema:
        return example(definitions[schema["$ref"].rpartition("/")[2]], question, definitions)
    if "enum" in schema:
        return schema["enum"][0]
    if "const" in schema:
        return schema["const"]
    if choices := schema.get("anyOf"):
        return example(choices[0], question, definitions)
    kind = schema.get("type", "object" if "properties" in schema else "string")
    if kind == "object":
        properties = schema.get("properties", {})
        return {name: example(value, question, definitions) for name, value in properties.items()}
    if kind == "array":
        return [example(schema.get("items", {}), question, definitions)]
    if kind == "string":
        quoted = re.search(r"'([^'\\]+)'", question)
        return quoted[1] if quoted else "Ankara"
    return {"integer": 3, "number": 3, "boolean": True}.get(kind)


def _chunks(completion: dict[str, Any]) -> Iterator[dict[str, Any]]:
    fields = {**completion, "object": "chat.completion.chunk"}
    del fields["usage"]
    for choice in completion["choices"]:
        for delta, reason in _deltas(choice):
            yield {**fields, "choices": [{"index": choice["index"], "delta": delta, "finish_reason": reason}]}
    yield {**fields, "choices": [], "usage": USAGE}


def _deltas(choice: dict[str, Any]) -> Iterator[tuple[dict[str, Any], str | None]]:
    message = choice["message"]
    yield {"role": "assistant", "content": ""}, None
    for piece in re.findall(r" ?[^ ]+", message["content"] or ""):
        yield {"content": piece}, None
    for index, call in enumerate(message.get("tool_calls", ())):
        function = call["function"]
        yield {"tool_calls": [{**call, "index": index, "function": {**function, "arguments": ""}}]}, None
        for piece in re.findall(r".{1,7}", function["arguments"]):
            yield {"tool_calls": [{"index": index, "function": {"arguments": piece}}]}, None
    yield {}, choice["finish_reason"]


def _embeddings(request: dict[str, Any]) -> dict[str, Any]:
    texts = request["input"] if isinstance(request["input"], list) else [request["input"]]
    data = [{"object": "embedding", "index": i, "embedding": [0.5, 0.25]} for i in range(len(texts))]
    usage = {"prompt_tokens": 7, "total_tokens": 7}
    return {"object": "list", "model": request["model"], "data": data, "usage": usage}
