"""What the classroom's API does and LLMock does not, as a small ASGI layer around LLMock.

It accepts only the classroom's keys; refuses a `temperature` for gpt-5*, gpt-6* and the
o-series as the real API does, a model that was shut down, and what is over its limit of
requests a second; gives every answer a request id; and records the requests. It can fail
as proxies and networks do: with a page of HTML, a body that drips or breaks off, or no
answer at all. It is controlled over HTTP, under /_odev, so that notebooks and scripts use
the same way. Not here: the client for that (api.py), the limit's arithmetic (rate.py).
"""

from __future__ import annotations

import asyncio
import json
import math
import re
import time
import uuid
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, get_args

from odev.classroom.rate import Rate

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
Headers = Sequence[tuple[bytes, bytes]]

Kind = Literal["answer", "cut", "drip", "hang"]
KINDS: tuple[Kind, ...] = get_args(Kind)

PAGE = "<html><head><title>Proxy</title></head><body><h1>Corporate proxy: please log in</h1></body></html>"

# What /models lists, with the day on which it is shut down; a request may name any other model.
# Source of the dates: https://developers.openai.com/api/docs/deprecations, read on 2026-11-25.
MODELS: dict[str, str | None] = {
    "gpt-6.1-terra": None,
    "gpt-6-luna": None,
    "gpt-5-mini": "2026-12-11",
    "gpt-5-nano": "2026-12-11",
    "gpt-4.1-mini": None,
    "gpt-4o": None,
    "gpt-4o-mini": None,
}

# gpt-6 too: github.com/akitaonrails/ai-memory/issues/851
_REASONING = re.compile(r"^(gpt-[56]|o\d)")
_CHAT = "/chat/completions"


@dataclass(frozen=True, slots=True)
class Fault:
    """How the next `times` chat requests are answered (None: all of them, until a reset).

    `answer` sends `body` as it is; `cut` sends its first half and closes the
    connection; `drip` sends one byte every `seconds`; `hang` never sends anything.
    With `model` it meets only the requests for that model, with `last_line` only those whose prompt has these
    words in its last line.
    """

    kind: Kind
    times: int | None = 1
    status: int = 200
    body: str = PAGE
    content_type: str = "text/html"
    seconds: float = 0.05
    model: str | None = None
    last_line: str | None = None

    def meets(self, request: Request) -> bool:
        last_line = request.prompt.rstrip().rpartition("\n")[2]
        return self.model in (None, request.model) and (self.last_line or "") in last_line


@dataclass(slots=True)
class Request:
    """One chat request, as the API saw it. `prompt` is the text of its last message; times are seconds since
    the epoch."""

    model: str
    started: float
    prompt: str = ""
    status: int | None = None
    fault: str | None = None
    ended: float | None = None


@dataclass
class FaultLayer:
    """The ASGI app: `app` behind the faults. `faults` holds each fault with the requests that it has left.

    `shutdown_dates` are those of the models that it lists. A model whose day has come on `today` is refused
    and not listed; while `today` is None, none is.
    """

    app: App
    keys: set[str]
    refuses_temperature: bool = True
    shutdown_dates: dict[str, str | None] = field(default_factory=lambda: dict(MODELS))
    today: str | None = None
    rate: Rate | None = None
    faults: list[tuple[Fault, int | None]] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._first_keys = frozenset(self.keys)

    @property
    def state(self) -> Any:
        """LLMock's own state, which LLMockServer looks for."""
        return self.app.state  # type: ignore[attr-defined]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
        elif scope["path"].startswith("/_odev/"):
            await self._admin(scope, receive, send)
        elif scope["path"].endswith(_CHAT):
            await self._chat(scope, receive, send)
        elif scope["path"].endswith("/models"):
            await self._models(scope, send)
        else:
            await self.app(scope, receive, send)

    async def _chat(self, scope: Scope, receive: Receive, send: Send) -> None:
        raw = await _body(receive)
        body = _json(raw)
        request = Request(str(body.get("model", "")), time.time(), _last_text(body.get("messages")))
        self.requests.append(request)
        request_id = f"req_{uuid.uuid4().hex}"

        async def recorded(message: Message) -> None:
            if message["type"] == "http.response.start":
                request.status = message["status"]
                message["headers"] = [*message.get("headers", []), (b"x-request-id", request_id.encode())]
            await send(message)

        try:
            fault = self._next_fault(request)
            refusal = self._refusal(scope, body)
            if fault is not None:
                request.fault = fault.kind
                await _misbehave(fault, receive, recorded)
            elif refusal is not None:
                status, error = refusal
                await _respond_json(recorded, status, {"error": error})
            elif (wait := self._wait()) > 0:
                message = f"Rate limit reached for requests. Please try again in {math.ceil(wait)}s."
                error = _error(message, param=None, code="rate_limit_exceeded", type="requests")
                await _respond_json(recorded, 429, {"error": error}, retry_after=math.ceil(wait))
            else:
                await self.app(scope, _replayed(raw, receive), recorded)
        finally:
            request.ended = time.time()

    async def _models(self, scope: Scope, send: Send) -> None:
        if (refusal := self._wrong_key(scope)) is not None:
            await _respond_json(send, refusal[0], {"error": refusal[1]})
            return
        data = [
            {"id": model, "object": "model", "created": 0, "owned_by": "classroom", "shutdown_date": day}
            for model, day in self.shutdown_dates.items()
            if not self._is_gone(model)
        ]
        await _respond_json(send, 200, {"object": "list", "data": data})

    def _is_gone(self, model: str) -> bool:
        day = self.shutdown_dates.get(model)
        return day is not None and self.today is not None and day <= self.today

    def _next_fault(self, request: Request) -> Fault | None:
        for position, (fault, left) in enumerate(self.faults):
            if not fault.meets(request):
                continue
            if left is not None:
                self.faults[position] = (fault, left - 1)
                if left <= 1:
                    del self.faults[position]
            return fault
        return None

    def _refusal(self, scope: Scope, body: dict[str, Any]) -> tuple[int, dict[str, Any]] | None:
        """Status and error, worded as the real API's: a wrong key, a model that is gone, a parameter that
        the model refuses."""
        if (wrong_key := self._wrong_key(scope)) is not None:
            return wrong_key
        model = str(body.get("model", ""))
        if self._is_gone(model):  # worded as in github.com/openai/openai-quickstart-node/issues/127
            message = (
                f"The model `{model}` has been deprecated, "
                "learn more here: https://platform.openai.com/docs/deprecations"
            )
            return 404, _error(message, param=None, code="model_not_found")
        if not self.refuses_temperature or not _REASONING.match(model):
            return None
        temperature = body.get("temperature")
        if temperature not in (None, 1):
            message = (
                f"Unsupported value: 'temperature' does not support {temperature} with this model. "
                "Only the default (1) value is supported."
            )
            return 400, _error(message, param="temperature", code="unsupported_value")
        if "max_tokens" in body:
            message = (
                "Unsupported parameter: 'max_tokens' is not supported with this model. "
                "Use 'max_completion_tokens' instead."
            )
            return 400, _error(message, param="max_tokens", code="unsupported_parameter")
        return None

    def _wait(self) -> float:
        """Seconds until the limit has room; 0 when it had, and the request has taken it."""
        return self.rate.take() if self.rate is not None else 0.0

    def _wrong_key(self, scope: Scope) -> tuple[int, dict[str, Any]] | None:
        headers = {name.decode().lower(): value.decode() for name, value in scope["headers"]}
        key = headers.get("authorization", "").removeprefix("Bearer ") or headers.get("api-key", "")
        if key not in self.keys:
            shown = f"{key[:3]}***{key[-4:]}" if len(key) > 10 else "***"
            message = f"Incorrect API key provided: {shown}."
            return 401, _error(message, param=None, code="invalid_api_key")
        return None

    def _mend(self) -> None:
        """Forget the faults that are left, and LLMock's behaviours."""
        self.faults.clear()
        self.state.llmock.scenarios.clear()

    async def _admin(self, scope: Scope, receive: Receive, send: Send) -> None:
        content = _json(await _body(receive))
        match scope["path"].removeprefix("/_odev/"):
            case "faults":
                for fields in content["faults"]:
                    fault = Fault(**fields)
                    self.faults.append((fault, fault.times))
            case "mend":
                self._mend()
                if not content["keep_requests"]:
                    self.requests.clear()
                    if self.rate is not None:
                        self.rate.refill()
            case "reset":
                self._mend()
                self.requests.clear()
                self.refuses_temperature = True
                self.keys = set(self._first_keys)
                self.shutdown_dates, self.today = dict(MODELS), None
                self.rate = None
                self.state.llmock.reset()
            case "settings":
                self.refuses_temperature = bool(content.get("refuses_temperature", self.refuses_temperature))
                self.keys = set(content.get("keys", self.keys))
                self.shutdown_dates |= content.get("shutdown_dates", {})
                self.today = content.get("today", self.today)
                if "requests_per_second" in content:
                    per_second = content["requests_per_second"]
                    self.rate = Rate(per_second, time.monotonic) if per_second is not None else None
            case "requests":
                pass
            case unknown:
                await _respond_json(send, 404, {"error": f"there is no /_odev/{unknown}"})
                return
        await _respond_json(send, 200, {"requests": [asdict(request) for request in self.requests]})


async def _misbehave(fault: Fault, receive: Receive, send: Send) -> None:
    body = fault.body.encode()
    if fault.kind == "hang":
        while (await receive())["type"] != "http.disconnect":
            pass
        return
    if fault.kind == "answer":
        await _respond(send, fault.status, body, fault.content_type)
        return
    await send(_response_start(fault.status, len(body), fault.content_type))
    if fault.kind == "cut":
        await send({"type": "http.response.body", "body": body[: len(body) // 2], "more_body": True})
        return  # uvicorn closes the connection, because the rest is missing
    for position in range(len(body)):
        await asyncio.sleep(fault.seconds)
        more = position + 1 < len(body)
        await send({"type": "http.response.body", "body": body[position : position + 1], "more_body": more})


async def _respond_json(
    send: Send, status: int, content: dict[str, Any], *, retry_after: int | None = None
) -> None:
    headers = [] if retry_after is None else [(b"retry-after", str(retry_after).encode())]
    await _respond(send, status, json.dumps(content).encode(), "application/json", headers)


async def _respond(send: Send, status: int, body: bytes, content_type: str, headers: Headers = ()) -> None:
    start = _response_start(status, len(body), content_type)
    await send({**start, "headers": [*start["headers"], *headers]})
    await send({"type": "http.response.body", "body": body})


def _response_start(status: int, length: int, content_type: str) -> Message:
    headers = [(b"content-type", content_type.encode()), (b"content-length", str(length).encode())]
    return {"type": "http.response.start", "status": status, "headers": headers}


def _error(
    message: str, *, param: str | None, code: str, type: str = "invalid_request_error"
) -> dict[str, Any]:
    return {"message": message, "type": type, "param": param, "code": code}


async def _body(receive: Receive) -> bytes:
    pieces: list[bytes] = []
    while True:
        message = await receive()
        pieces.append(message.get("body", b""))
        if not message.get("more_body"):
            return b"".join(pieces)


def _replayed(body: bytes, receive: Receive) -> Receive:
    is_sent = False

    async def replay() -> Message:
        nonlocal is_sent
        if is_sent:
            return await receive()
        is_sent = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replay


def _last_text(messages: object) -> str:
    last = messages[-1] if isinstance(messages, list) and messages else None
    content = last.get("content") if isinstance(last, dict) else None
    return content if isinstance(content, str) else ""


def _json(raw: bytes) -> dict[str, Any]:
    try:
        value = json.loads(raw or b"{}")
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}
