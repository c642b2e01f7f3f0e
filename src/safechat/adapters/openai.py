"""The drop-in: a real OpenAI or AsyncOpenAI whose HTTP transport is a wrapper.

What takes a client of the openai SDK, or an http_client for one, gets this client's limits, retries,
fallbacks, keys and log by one line. The SDK writes its request; it is read here, answered by the wrapper,
and the answer goes back as the API would have sent it. Not here: an answer in the form of a stream
(openai_chunks.py), errors in the SDK's own classes (openai_errors.py).
"""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import replace
from typing import Any, Protocol

import httpx2
from openai import AsyncOpenAI as AsyncOpenAI
from openai import OpenAI as OpenAI

from safechat.adapters.openai_chunks import Chunks, PassedOn, Pieces
from safechat.adapters.openai_errors import RequestRefused, answer_in, sdk_error
from safechat.call.sdk_parameters import PARAMETERS
from safechat.client.bodies import parameters_of, texts_of
from safechat.client.dispatch import Call, Dispatcher
from safechat.client.stream import AsyncChatStream, ChatStream
from safechat.errors import ChatError
from safechat.messages import ChatReply, ChatRequest

_BASE_URL = "https://safechat.invalid/v1"  # RFC 2606: no request could go there past the transport
_KEY = "the wrapper has it"
_NO_PARAMETERS = ("messages", "model", "stream", "stream_options")
_BEFORE_THE_PATH = re.compile(r".*?/v1(?=/)")
# Headers that belong to one HTTP exchange, or that the client below writes itself.
_OF_THE_EXCHANGE = re.compile(
    r"authorization|api-key|host|connection|keep-alive|transfer-encoding|content-.*|accept.*|user-agent|cookie"
    r"|set-cookie|date|server|idempotency-key|openai-organization|openai-project|x-stainless-.*|x-should-retry"
)


class Wrapper(Protocol):
    """A ChatClientWrapper."""

    @property
    def dispatcher(self) -> Dispatcher: ...


def openai_client(chat: Wrapper) -> OpenAI:
    """A client of the SDK that calls `chat`."""
    return OpenAI(api_key=_KEY, base_url=_BASE_URL, max_retries=0, http_client=http_client(chat))


def async_openai_client(chat: Wrapper) -> AsyncOpenAI:
    """The same for an event loop, any event loop."""
    return AsyncOpenAI(api_key=_KEY, base_url=_BASE_URL, max_retries=0, http_client=async_http_client(chat))


def http_client(chat: Wrapper) -> httpx2.Client:
    """The `http_client` for what makes its client of the SDK itself, whatever its base_url and key are."""
    return httpx2.Client(transport=Transport(chat.dispatcher), trust_env=False)


def async_http_client(chat: Wrapper) -> httpx2.AsyncClient:
    """The same for an AsyncOpenAI."""
    return httpx2.AsyncClient(transport=AsyncTransport(chat.dispatcher), trust_env=False)


class Transport(httpx2.BaseTransport):
    """Answers the requests of an OpenAI. Raises the SDK's own exceptions, which the SDK does not retry."""

    def __init__(self, dispatcher: Dispatcher) -> None:
        self._dispatcher = dispatcher

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        request.read()
        try:
            asked = Asked(request, self._dispatcher)
            if asked.streamed:
                return self._streamed(asked)
            return asked.response(self._dispatcher.run(asked.call.answer))
        except (ChatError, RequestRefused) as error:
            if (reply := answer_in(error)) is not None:
                return asked.response(reply)
            raise sdk_error(error, request) from error

    def _streamed(self, asked: Asked) -> httpx2.Response:
        stream = ChatStream(self._dispatcher, asked.call)
        first = next(stream, None)
        return asked.begun(_Events(stream, first, asked.chunks))


class AsyncTransport(httpx2.AsyncBaseTransport):
    """The same for an AsyncOpenAI. Cancelling the caller cancels the call."""

    def __init__(self, dispatcher: Dispatcher) -> None:
        self._dispatcher = dispatcher

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        await request.aread()
        try:
            asked = Asked(request, self._dispatcher)
            if asked.streamed:
                return await self._streamed(asked)
            return asked.response(await self._dispatcher.run_async(asked.call.answer))
        except (ChatError, RequestRefused) as error:
            if (reply := answer_in(error)) is not None:
                return asked.response(reply)
            raise sdk_error(error, request) from error

    async def _streamed(self, asked: Asked) -> httpx2.Response:
        stream = AsyncChatStream(self._dispatcher, asked.call)
        try:
            first = await anext(stream, None)
        except BaseException:
            await stream.aclose()
            raise
        return asked.begun(_AsyncEvents(stream, first, asked.chunks))


class Asked:
    """What a request of the SDK asks of the wrapper. Raises RequestRefused where it cannot be passed on."""

    def __init__(self, request: httpx2.Request, dispatcher: Dispatcher) -> None:
        self._headers: dict[str, str] = {}  # of the answer to a stream
        body = _body(request)
        path = request.url.path
        is_chat = request.method == "POST" and path.endswith("/chat/completions")
        is_response = request.method == "POST" and path.endswith("/responses")
        self.streamed = bool(body.get("stream")) or request.url.params.get("stream") == "true"
        self.chunks: Pieces = Chunks(body) if is_chat else PassedOn()
        if self.streamed and not (is_chat or is_response):
            raise RequestRefused(f"a stream from {path} does not go through the wrapper", "stream")
        if self.streamed and "audio" in (body.get("modalities") or ()):
            raise RequestRefused("sound does not go through the wrapper as a stream", "modalities")
        defaults = dispatcher.defaults
        timeout = min(defaults.timeout, request.extensions.get("timeout", {}).get("read") or defaults.timeout)
        others = _others(request)
        if not (is_chat or is_response):
            endpoint = f"{request.method} {_BEFORE_THE_PATH.sub('', path, count=1)}"
            asked = ChatRequest(
                messages=texts_of(body),
                model=str(body.get("model") or endpoint),
                params={**body, **others},
                timeout=timeout,
                endpoint=endpoint,
            )
            self.call = Call(asked, defaults.deadline)
            return
        try:
            if is_response:
                call = dispatcher.response(body, timeout=timeout, allow_truncated=True, params=others)
            else:
                rest = {name: value for name, value in body.items() if name not in _NO_PARAMETERS}
                call = dispatcher.call(
                    body.pop("messages", None),
                    body.pop("model", None),
                    timeout=timeout,
                    allow_truncated=True,
                    streamed=self.streamed,
                    params={**parameters_of(rest, PARAMETERS), **_counted(body), **others},
                )
        except (TypeError, ValueError) as error:
            raise RequestRefused(str(error)) from error
        on_start = self._headers.update if self.streamed else None
        self.call = replace(call, request=replace(call.request, on_start=on_start))

    def response(self, reply: ChatReply) -> httpx2.Response:
        """The whole answer, or a stream that brought nothing before its end."""
        if self.streamed:
            return self.begun(httpx2.ByteStream(self.chunks.end(reply)))
        data = json.dumps(self.chunks.body(reply), ensure_ascii=False).encode()
        headers = {**_passed_on(reply.headers), "content-type": "application/json"}
        return httpx2.Response(200, headers=headers, content=data)

    def begun(self, events: httpx2.SyncByteStream | httpx2.AsyncByteStream) -> httpx2.Response:
        headers = {**_passed_on(self._headers), "content-type": "text/event-stream; charset=utf-8"}
        return httpx2.Response(200, headers=headers, stream=events)


class _Events(httpx2.SyncByteStream):
    """The server-sent events of a stream whose first piece is there, or that has ended without any."""

    def __init__(self, stream: ChatStream, first: str | None, chunks: Pieces) -> None:
        self._stream = stream
        self._first = first
        self._chunks = chunks

    def __iter__(self) -> Iterator[bytes]:
        try:
            if self._first is not None:
                yield self._chunks.piece(self._first)
                for piece in self._stream:
                    yield self._chunks.piece(piece)
            yield self._chunks.end(self._stream.reply)
        except ChatError as error:
            yield self._chunks.end_by(error)

    def close(self) -> None:
        self._stream.close()


class _AsyncEvents(httpx2.AsyncByteStream):
    def __init__(self, stream: AsyncChatStream, first: str | None, chunks: Pieces) -> None:
        self._stream = stream
        self._first = first
        self._chunks = chunks

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            if self._first is not None:
                yield self._chunks.piece(self._first)
                async for piece in self._stream:
                    yield self._chunks.piece(piece)
            yield self._chunks.end(self._stream.reply)
        except ChatError as error:
            yield self._chunks.end_by(error)

    async def aclose(self) -> None:
        await self._stream.aclose()


def _body(request: httpx2.Request) -> dict[str, Any]:
    if not request.content:
        return {}
    try:
        body = json.loads(request.content)
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise RequestRefused(f"only a JSON object goes through the wrapper to {request.url.path}")
    if not isinstance(body.get("stream_options") or {}, dict):
        raise RequestRefused("stream_options must be an object", "stream_options")
    return body


def _counted(body: Mapping[str, Any]) -> dict[str, Any]:
    """The option of a stream by which its tokens are counted in any case."""
    if not body.get("stream"):
        return {}
    return {"stream_options": {**(body.get("stream_options") or {}), "include_usage": True}}


def _others(request: httpx2.Request) -> dict[str, dict[str, str]]:
    """The headers and the query that the caller has added, as parameters of `generate`."""
    given = {"extra_headers": _passed_on(request.headers), "extra_query": dict(request.url.params)}
    return {name: values for name, values in given.items() if values}


def _passed_on(headers: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in headers.items() if not _OF_THE_EXCHANGE.fullmatch(name.lower())}
