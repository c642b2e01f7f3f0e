"""The openai SDK, as the innermost handler needs it: one client, ready in whatever loop runs.

An SDK client with the SDK's own connection pool is called through a copy whose
pool belongs to the running event loop, so it does not matter where it was used
before. The SDK's own retries are off: retries multiply. A synchronous client
runs in threads. Not here: the copy (clients.py), time limits (layer.py), what its
exceptions mean (translate.py).
"""

from __future__ import annotations

import asyncio
import inspect
import os
import time
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from types import FunctionType, MethodType
from typing import Any, Literal, Protocol, cast

import httpx2
import openai
from openai._types import RequestOptions
from pydantic import BaseModel

from safechat.call.clients import SDKClient, copied, has_own_pool, key_header, key_in_use, remember_keys
from safechat.runtime.threads import in_thread

Arguments = Mapping[str, object]
Answer = tuple[object, Mapping[str, str]]  # the body, or the object made of it; the HTTP headers


class ChunkStream(Protocol):
    """Chunks as they come; `aclose` lets go of the connection."""

    def __aiter__(self) -> AsyncIterator[object]: ...

    async def aclose(self) -> None: ...


Chunks = tuple[ChunkStream, Mapping[str, str]]

_END = object()
_PATH = "/chat/completions"
_SDK_FOLDER = os.path.dirname(openai.__file__)
_FIRST = ("model", "stream", "service_tier", "messages")  # of the body; then by name
_OPTIONS: dict[str, Literal["headers", "params", "extra_json", "timeout"]] = {
    "extra_headers": "headers",
    "extra_query": "params",
    "extra_body": "extra_json",
    "timeout": "timeout",
}


def strict_schema(model: type[BaseModel]) -> Mapping[str, object]:
    """The JSON schema of `model` in the strict form that the API asks for."""
    return openai.pydantic_function_tool(model)["function"]["parameters"]


class Endpoint:
    """A client of any kind: the SDK's, or an object with `.chat.completions.create`.

    With `keyed` each request brings its own key (keys/layer.py), in place of the client's.
    """

    def __init__(self, client: object, *, keyed: bool = False) -> None:
        self._client = client
        self._keyed = keyed
        self._copy: tuple[asyncio.AbstractEventLoop, SDKClient] | None = None

    async def exchange(self, arguments: Arguments, seconds: float) -> Answer:
        """One request, one answer. A thread that nobody waits for any more ends after `seconds`."""
        client = self._here()
        if isinstance(client, openai.AsyncOpenAI):
            response = await _sent(client, arguments)
            return response.content, _lowered(response.headers)
        if isinstance(client, openai.OpenAI):
            expires = time.monotonic() + seconds
            return await in_thread(lambda: _read_whole(client, arguments, expires))
        return await _called(client, arguments), {}

    async def stream(self, arguments: Arguments) -> Chunks:
        """One request, its answer in chunks. Closing the iterator closes the connection."""
        client = self._here()
        if isinstance(client, openai.AsyncOpenAI):
            stream = await _opened(client, arguments)
            return _Chunks(stream, stream.close), _lowered(stream.response.headers)
        if isinstance(client, openai.OpenAI):
            blocking: Any = await in_thread(
                lambda: client.chat.completions.create(**cast(Any, arguments)),
                unwanted=lambda stream: stream.close(),
            )
            return _ThreadChunks(blocking, blocking.close), _lowered(blocking.response.headers)
        chunks = await _called(client, arguments)
        if isinstance(chunks, AsyncIterable):
            return _Chunks(chunks, getattr(chunks, "aclose", None)), {}
        if isinstance(chunks, Iterable) and not isinstance(chunks, str | bytes | Mapping):
            return _ThreadChunks(iter(chunks), getattr(chunks, "close", None)), {}
        raise TypeError(f"a {type(chunks).__name__} in place of a stream")

    async def models(self) -> list[str]:
        """The names of the models that an SDK client's API lists."""
        client = self._here()
        if isinstance(client, openai.AsyncOpenAI):
            return [model.id async for model in client.models.list()]
        listing = cast(openai.OpenAI, client).models
        return await in_thread(lambda: [model.id for model in listing.list()])

    def base_url(self) -> str | None:
        """Where the client's requests go; None for one that is not the SDK's."""
        return str(self._client.base_url) if isinstance(self._client, SDKClient) else None

    def remember_keys(self) -> None:
        """Have the literal keys in use taken out of every text."""
        for client in (self._client, self._copy[1] if self._copy else None):
            remember_keys(client)

    async def aclose(self) -> None:
        """Close the connections that this object opened; those of the client it was given stay open."""
        copy, self._copy = self._copy, None
        if copy is not None and copy[0] is asyncio.get_running_loop() and has_own_pool(self._client):
            closing = copy[1].close()
            if closing is not None:
                await closing

    def _here(self) -> object:
        """The client for this event loop. One whose `create` a test or a tracing tool has replaced
        is used as it is."""
        client = self._client
        if not isinstance(client, SDKClient):
            return client
        if "create" in vars(client.chat.completions):
            return _Plain(client, self._keyed)
        loop = asyncio.get_running_loop()
        if self._copy is None or self._copy[0] is not loop:
            self._copy = (loop, copied(client, self._keyed))
        return self._copy[1]


class _Plain:
    """An SDK client to be called like any other object, by its `create`."""

    def __init__(self, client: SDKClient, keyed: bool) -> None:
        self.chat = client.chat if not keyed else self
        self.completions = self
        self._create = client.chat.completions.create
        self._header, self._prefix = key_header(client)

    def create(self, **arguments: Any) -> object:
        """With the key of this request, in the one way that is left."""
        headers = dict(arguments.get("extra_headers") or {})
        headers[self._header] = self._prefix + key_in_use()
        return self._create(**{**arguments, "extra_headers": headers})


async def _sent(client: openai.AsyncOpenAI, arguments: Arguments) -> httpx2.Response:
    """The HTTP answer to one request. By `client.post`, the SDK's documented way for raw requests, which
    skips a walk over all messages; by `create` where a tracing library has wrapped that."""
    if not _is_the_sdks(client.chat.completions.create):
        raw = await client.chat.completions.with_raw_response.create(**cast(Any, arguments))
        return cast(httpx2.Response, raw.http_response)
    body, options = _request(arguments)
    return await client.post(_PATH, cast_to=httpx2.Response, body=body, options=options)


async def _opened(client: openai.AsyncOpenAI, arguments: Arguments) -> openai.AsyncStream[Any]:
    """The stream that answers one request, in the same way. Its chunks are the decoded JSON."""
    if not _is_the_sdks(client.chat.completions.create):
        stream = await client.chat.completions.create(**cast(Any, arguments))
        return cast("openai.AsyncStream[Any]", stream)
    body, options = _request(arguments)
    return await client.post(
        _PATH, cast_to=object, body=body, options=options, stream=True, stream_cls=openai.AsyncStream[object]
    )


def _is_the_sdks(create: Callable[..., object]) -> bool:
    """Whether nothing has been wrapped around the SDK's own method, on the class or on the instance."""
    if type(create) is not MethodType or type(create.__func__) is not FunctionType:
        return False  # wrapt's objects pass for both
    return create.__func__.__code__.co_filename.startswith(_SDK_FOLDER)


def _request(arguments: Arguments) -> tuple[dict[str, object], RequestOptions]:
    """The arguments of `create` as those of `post`: the body, in the order in which `create` writes it,
    and what is not part of it."""
    body: dict[str, object] = {name: arguments[name] for name in _FIRST if name in arguments}
    options: RequestOptions = {"security": {"bearer_auth": True}}
    for name in sorted(arguments.keys() - body.keys()):
        value = arguments[name]
        option = _OPTIONS.get(name)
        if option is None:
            body[name] = value
        elif value is not None or option == "timeout":
            options[option] = cast(Any, value)
    return body, options


async def _called(client: object, arguments: Arguments) -> object:
    create = cast(Any, client).chat.completions.create
    if inspect.iscoroutinefunction(create) or asyncio.iscoroutinefunction(create):
        answer = create(**arguments)
    else:
        answer = await in_thread(lambda: create(**arguments))
    return await answer if isinstance(answer, Awaitable) else answer


def _read_whole(client: openai.OpenAI, arguments: Arguments, expires: float) -> Answer:
    """The body, read piece by piece, so that a body that drips does not hold the thread for ever."""
    create = client.chat.completions.with_streaming_response.create
    with create(**cast(Any, arguments)) as response:
        pieces: list[bytes] = []
        for piece in response.iter_bytes():
            pieces.append(piece)
            if time.monotonic() > expires:
                raise TimeoutError
        return b"".join(pieces), _lowered(response.headers)


class _Chunks:
    """The chunks of one answer, and the way to let go of its connection, also before the first one."""

    def __init__(self, chunks: AsyncIterable[object], close: Callable[[], Awaitable[object]] | None) -> None:
        self._chunks = aiter(chunks)
        self._close = close

    def __aiter__(self) -> AsyncIterator[object]:
        return self._chunks

    async def aclose(self) -> None:
        if self._close is not None:
            await self._close()


class _ThreadChunks:
    """The same of a synchronous client: each chunk is awaited in a thread."""

    def __init__(self, chunks: Iterator[object], close: Callable[[], object] | None) -> None:
        self._chunks = chunks
        self._close = close

    def __aiter__(self) -> AsyncIterator[object]:
        return self

    async def __anext__(self) -> object:
        chunk = await in_thread(lambda: next(self._chunks, _END))
        if chunk is _END:
            raise StopAsyncIteration
        return chunk

    async def aclose(self) -> None:
        if self._close is not None:
            with suppress(ValueError):  # a generator that a thread is still in
                self._close()


def _lowered(headers: httpx2.Headers) -> dict[str, str]:
    return {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in headers.raw}
