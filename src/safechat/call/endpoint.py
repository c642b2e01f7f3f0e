"""The openai SDK, as the innermost handler needs it: one client, ready in whatever loop runs.

An SDK client with the SDK's own connection pool is called through a copy whose
pool belongs to the running event loop, so it does not matter where it was used
before; a synchronous one through an asynchronous copy. The SDK's own retries are
off: retries multiply. Other synchronous clients run in threads. Not here: the copy
(clients.py), its connections (pool.py), time limits (layer.py), what its exceptions
mean (translate.py).
"""

from __future__ import annotations

import asyncio
import inspect
import math
import time
from collections.abc import AsyncIterable, Awaitable, Iterable, Mapping
from contextlib import nullcontext, suppress
from functools import partial
from operator import attrgetter
from typing import Any, Literal, NamedTuple, cast

import httpx2
import openai
from openai._types import RequestOptions

from safechat.call.chunk_streams import AwaitedChunks, ChunkStream, ThreadChunks
from safechat.call.clients import SDKClient, check_loop, copied, has_own_pool, is_the_sdks, remember_keys
from safechat.call.events import without_empty_events
from safechat.call.pool import httpx2_is_mocked, synchronous_httpx2_is_mocked
from safechat.call.replaced import Replaced
from safechat.runtime.threads import Threads

Arguments = Mapping[str, object]
Answer = tuple[object, Mapping[str, str]]  # the body, or the object made of it; the HTTP headers
Chunks = tuple[ChunkStream, Mapping[str, str]]


class Operation(NamedTuple):
    """What is called: the path of its requests, and the part of an SDK client whose `create` sends them."""

    path: str
    resource: str

    def of(self, client: object) -> Any:
        """That part. Raises AttributeError for a client that has none."""
        return attrgetter(self.resource)(client)


COMPLETIONS = Operation("/chat/completions", "chat.completions")
RESPONSES = Operation("/responses", "responses")

_FIRST = ("model", "stream", "service_tier", "messages")  # of the body; then by name
_OPTIONS: dict[str, Literal["headers", "params", "extra_json", "timeout"]] = {
    "extra_headers": "headers",
    "extra_query": "params",
    "extra_body": "extra_json",
    "timeout": "timeout",
}


class Endpoint:
    """A client of any kind: the SDK's, or an object with `.chat.completions.create` or `.responses.create`.

    With `keyed` each request brings its own key (keys/layer.py), in place of the client's. A synchronous
    client runs in at most `threads` threads at once. With `aiohttp` its own connections may be aiohttp's
    (pool.py); whoever sets it calls `aclose`.
    """

    def __init__(
        self, client: object, *, keyed: bool = False, threads: int = 32, aiohttp: bool = False
    ) -> None:
        self._client = client
        # Read once: each look costs as much as to build the request.
        self._base_url = client.base_url if isinstance(client, SDKClient) else None
        self._keyed = keyed
        self._threads = Threads(threads)
        self._aiohttp = aiohttp
        self._loop: asyncio.AbstractEventLoop | None = None
        self._copies: dict[tuple[bool, bool], SDKClient] = {}

    def has(self, operation: Operation) -> bool:
        """Whether the client has it."""
        if isinstance(self._client, SDKClient):
            return True
        with suppress(AttributeError):
            return callable(operation.of(self._client).create)
        return False

    async def exchange(self, operation: Operation, arguments: Arguments, seconds: float) -> Answer:
        """One request, one answer. A thread that nobody waits for any more ends after `seconds`."""
        client = self._here(operation)
        if isinstance(client, openai.AsyncOpenAI):
            response = await _sent(client, operation, arguments)
            return response.content, _lowered(response.headers)
        if isinstance(client, openai.OpenAI):
            expires = time.monotonic() + seconds
            return await self._threads.run(
                lambda: _read_whole(operation.of(client), arguments, expires), seconds=seconds
            )
        return await self._called(client, operation, arguments)

    async def stream(self, operation: Operation, arguments: Arguments) -> Chunks:
        """One request, its answer in chunks. Closing the iterator closes the connection."""
        client = self._here(operation)
        if isinstance(client, openai.AsyncOpenAI):
            stream = without_empty_events(await _opened(client, operation, arguments))
            return AwaitedChunks(stream, stream.close), _lowered(stream.response.headers)
        seconds = _time_limit(arguments)
        if isinstance(client, openai.OpenAI):
            blocking: Any = await self._threads.run(
                lambda: operation.of(client).create(**arguments),
                unwanted=_let_go,
                seconds=seconds,
            )
            events = without_empty_events(blocking)
            chunks = ThreadChunks(events, blocking.close, self._threads, seconds)
            return chunks, _lowered(blocking.response.headers)
        answer, headers = await self._called(client, operation, arguments)
        if isinstance(answer, AsyncIterable):
            close = getattr(answer, "aclose", None) or getattr(answer, "close", None)
            return AwaitedChunks(answer, close), headers
        if isinstance(answer, Iterable) and not isinstance(answer, str | bytes | Mapping):
            close = getattr(answer, "close", None)
            return ThreadChunks(iter(answer), close, self._threads, seconds), headers
        raise TypeError(f"a {type(answer).__name__} in place of a stream")

    async def pass_on(self, endpoint: str, arguments: Arguments, seconds: float) -> Answer:
        """One request to any endpoint of an SDK client's API, and its answer."""
        if not isinstance(self._client, SDKClient):
            raise TypeError(f"{endpoint} needs a client of the openai SDK, not {type(self._client).__name__}")
        client: Any = self._copy()
        method, path = endpoint.split(" ", 1)
        body, options = _request(arguments)
        given = {} if method == "GET" else {"body": body or None}
        send = partial(
            getattr(client, method.lower()), path, cast_to=httpx2.Response, options=options, **given
        )
        if isinstance(client, openai.AsyncOpenAI):
            response = await send()
        else:
            response = await self._threads.run(send, seconds=seconds)
        return response.content, _lowered(response.headers)

    async def models(self) -> bytes:
        """The body in which an SDK client's API lists its models."""
        client = self._copy()
        if isinstance(client, openai.AsyncOpenAI):
            listed = await client.models.with_raw_response.list()
            return listed.http_response.content
        answer = await self._threads.run(client.models.with_raw_response.list)
        return answer.http_response.content

    def base_url(self) -> str | None:
        """Where the client's requests go; None for one that is not the SDK's."""
        return None if self._base_url is None else str(self._base_url)

    def remember_keys(self) -> None:
        """Have the literal keys in use taken out of every text."""
        for client in (self._client, *self._copies.values()):
            remember_keys(client)

    async def aclose(self) -> None:
        """Close the connections that this object opened; those of the client it was given stay open."""
        copies, self._copies = self._copies, {}
        if self._loop is asyncio.get_running_loop() and has_own_pool(self._client):
            for copy in copies.values():
                closing = copy.close()
                if closing is not None:
                    await closing

    def _here(self, operation: Operation) -> object:
        """The client for this event loop, or a Replaced for one whose `create` a test or a tracing tool has
        replaced."""
        client = self._client
        if not isinstance(client, SDKClient):
            return client
        resource = operation.of(client)
        if "create" in vars(resource):
            return Replaced(resource, self._copy(twin=False))
        return self._copy(twin=isinstance(client, openai.OpenAI) and is_the_sdks(resource.create))

    def _copy(self, *, twin: bool = True) -> SDKClient:
        """The copy that belongs to this event loop. While httpx2 is mocked it is one that goes by httpx2;
        while only its synchronous half is, a synchronous client has no asynchronous twin."""
        client = cast(SDKClient, self._client)
        loop = asyncio.get_running_loop()
        if self._loop is not loop:
            self._loop, self._copies = loop, {}
        if not has_own_pool(client):
            check_loop(client)
        mocked = httpx2_is_mocked()
        # aiohttp takes no user in the address beside the header with the key.
        aiohttp = self._aiohttp and not mocked and not (self._base_url and self._base_url.userinfo)
        kind = (aiohttp, twin and (mocked or not synchronous_httpx2_is_mocked()))
        copy = self._copies.get(kind)
        if copy is None:
            copy = self._copies[kind] = copied(
                client, self._keyed, self._threads.run, aiohttp=kind[0], twin=kind[1]
            )
        return copy

    async def _called(self, client: object, operation: Operation, arguments: Arguments) -> Answer:
        """What `create` gives, and the headers of the answer, where it gives them."""
        create = client.create if isinstance(client, Replaced) else operation.of(client).create
        with client.sending() if isinstance(client, Replaced) else nullcontext():
            if inspect.iscoroutinefunction(create):
                answer = create(**arguments)
            else:
                seconds = _time_limit(arguments)
                answer = await self._threads.run(
                    lambda: create(**arguments), unwanted=_let_go, seconds=seconds
                )
            if isinstance(answer, Awaitable):
                answer = await answer
        return answer, _lowered(client.headers) if isinstance(client, Replaced) else {}


async def _sent(client: openai.AsyncOpenAI, operation: Operation, arguments: Arguments) -> httpx2.Response:
    """The HTTP answer to one request. By `client.post`, the SDK's documented way for raw requests, which
    skips a walk over all messages; by `create` where a tracing library has wrapped that."""
    resource = operation.of(client)
    if not is_the_sdks(resource.create):
        raw = await resource.with_raw_response.create(**arguments)
        return cast(httpx2.Response, raw.http_response)
    body, options = _request(arguments)
    return await client.post(operation.path, cast_to=httpx2.Response, body=body, options=options)


async def _opened(
    client: openai.AsyncOpenAI, operation: Operation, arguments: Arguments
) -> openai.AsyncStream[Any]:
    """The stream that answers one request, in the same way. Its chunks are the decoded JSON."""
    resource = operation.of(client)
    if not is_the_sdks(resource.create):
        stream = await resource.create(**arguments)
        return cast("openai.AsyncStream[Any]", stream)
    body, options = _request(arguments)
    stream_cls = openai.AsyncStream[object]
    return await client.post(
        operation.path, cast_to=object, body=body, options=options, stream=True, stream_cls=stream_cls
    )


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


def _let_go(answer: object) -> None:
    """Close a stream that came too late."""
    if callable(close := getattr(answer, "close", None)):
        close()


def _time_limit(arguments: Arguments) -> float:
    seconds = arguments.get("timeout")
    return seconds if isinstance(seconds, float) else math.inf


def _read_whole(resource: Any, arguments: Arguments, expires: float) -> Answer:
    """The body, read piece by piece, so that a body that drips does not hold the thread for ever."""
    with resource.with_streaming_response.create(**arguments) as response:
        pieces: list[bytes] = []
        for piece in response.iter_bytes():
            pieces.append(piece)
            if time.monotonic() > expires:
                raise TimeoutError
        return b"".join(pieces), _lowered(response.headers)


def _lowered(headers: httpx2.Headers) -> dict[str, str]:
    return {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in headers.raw}
