"""The innermost handler: one request to the API, one reply or one ChatError.

It sets a true total time limit (the SDK's is per phase: a body that drips never
ends, nor does a stream of keep-alives), and turns whatever goes wrong into a
ChatError that holds nothing of the SDK. Not here: how the SDK is called
(endpoint.py), which exception means which error (translate.py), waiting
(limits/), trying again (retry.py), other models (fallback.py).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from contextlib import aclosing
from dataclasses import replace
from datetime import date
from typing import TypeVar

import anyio
import openai

from safechat.call.chunks import Chunked
from safechat.call.endpoint import Answer, Endpoint
from safechat.call.parameters import ParameterMemory
from safechat.call.reply import decode, read_body, read_models, read_reply, with_whole_body
from safechat.call.schema import parse_reply, response_format
from safechat.call.time_limit import TimeLimit
from safechat.call.translate import translate
from safechat.errors import ChatError, ConnectionFailed, RequestTimedOut
from safechat.messages import CHAT, ChatReply, ChatRequest
from safechat.redact import remember_named

T = TypeVar("T")


class OpenAICall:
    """Sends a request through `client` and reads the answer, whole or, with `on_piece`, as a stream.

    `client` is OpenAI, AsyncOpenAI, one of their Azure subclasses, or any object with
    `.chat.completions.create`; a synchronous one runs in at most `threads` threads at once.
    With `keyed` the layer Keyed gives each request its key. With `aiohttp` its connections may be
    aiohttp's, and it must be closed.
    """

    def __init__(
        self, client: object, *, keyed: bool = False, threads: int = 32, aiohttp: bool = False
    ) -> None:
        self._endpoint = Endpoint(client, keyed=keyed, threads=threads, aiohttp=aiohttp)
        self._parameters = ParameterMemory()

    async def __call__(self, request: ChatRequest) -> ChatReply:
        """The answer, within `request.timeout` seconds. Raises ChatError, and nothing reachable from it
        holds the key."""
        if request.on_piece is not None:
            return await self._streamed(request)
        if request.endpoint != CHAT:
            return await attempt(request, self._passed_on, self._read_body, self._translated)
        return await attempt(request, self._exchanged, self._read, self._translated)

    @property
    def base_url(self) -> str | None:
        """Where its requests go; None for a client that is not the SDK's."""
        return self._endpoint.base_url()

    async def models(self, timeout: float) -> dict[str, date | None]:
        """The models that the API lists, with the day of their shutdown, where it gives one. Raises
        ChatError; MalformedReply where no list comes."""
        request = ChatRequest((), "models", timeout=timeout)
        try:
            with anyio.fail_after(timeout):
                return read_models(decode(await self._endpoint.models(), request))
        except Exception as exception:
            failure = self._translated(exception, request)
        raise failure.with_traceback(None)

    async def aclose(self) -> None:
        """Close the connections that this object opened; those of the client it was given stay open."""
        await self._endpoint.aclose()

    def _exchanged(self, request: ChatRequest) -> Awaitable[Answer]:
        return self._adapted(request, lambda arguments: self._endpoint.exchange(arguments, request.timeout))

    def _read(self, answer: object, request: ChatRequest, headers: Mapping[str, str]) -> ChatReply:
        completion = decode(answer, request)
        decoded = completion is not answer
        try:
            reply = read_reply(completion, request, headers)
        except ChatError as error:
            if isinstance(error.reply, ChatReply):
                error.reply = with_whole_body(error.reply, completion, decoded=decoded)
            raise
        reply = with_whole_body(reply, completion, decoded=decoded, base_url=self.base_url)
        return reply if request.parse is None else parse_reply(reply, request.parse)

    async def _passed_on(self, request: ChatRequest) -> Answer:
        arguments = {**request.params, "timeout": _seconds(request)}
        return await self._endpoint.pass_on(request.endpoint, arguments, request.timeout)

    def _read_body(self, answer: object, request: ChatRequest, headers: Mapping[str, str]) -> ChatReply:
        return replace(read_body(answer, request, headers), base_url=self.base_url)

    async def _streamed(self, request: ChatRequest) -> ChatReply:
        chunked = Chunked(request)
        try:
            await self._receive(chunked, request)
            return self._read(chunked.completion(), request, chunked.headers)
        except Exception as exception:
            failure = self._translated(exception, request)
        raise chunked.final(failure).with_traceback(None)

    async def _receive(self, chunked: Chunked, request: ChatRequest) -> None:
        """Takes all chunks. The clock runs while the next one is awaited, and rests while the consumer takes
        a piece. A connection that breaks after the finish_reason takes nothing of the answer away."""
        try:
            async with TimeLimit(request.timeout) as limit:
                chunks, headers = await self._adapted(request, self._endpoint.stream)
                async with aclosing(chunks):
                    chunked.take_headers(headers)
                    async for chunk in chunks:
                        if not chunked.add(chunk):
                            continue  # a keep-alive, or an empty chunk in its place: the clock runs on
                        limit.rest()
                        await chunked.deliver()
                        limit.restart()
        except Exception as exception:
            failure = self._translated(exception, request)
            if not (chunked.finished and isinstance(failure, ConnectionFailed | RequestTimedOut)):
                raise

    async def _adapted(self, request: ChatRequest, send: Callable[[Mapping[str, object]], Awaitable[T]]) -> T:
        """What `send` gives. A parameter that the model refuses, and that the call can do without, is left
        out, and the request is sent again."""
        wanted = request.params
        if request.on_piece is not None:
            wanted = {"stream_options": {"include_usage": True}, **wanted}
        while True:
            params = self._parameters.adapted(request.model, wanted)
            refused: ChatError
            try:
                return await send(_arguments(request, params))
            except openai.APIStatusError as exception:
                refused = self._translated(exception, request)
            if not self._parameters.learn(request.model, params, refused):
                raise refused

    def _translated(self, exception: Exception, request: ChatRequest) -> ChatError:
        self._endpoint.remember_keys()  # they may have changed since the client was made
        error = translate(exception, request)
        error.base_url = self.base_url
        return error


async def attempt(
    request: ChatRequest,
    send: Callable[[ChatRequest], Awaitable[Answer]],
    read: Callable[[object, ChatRequest, Mapping[str, str]], ChatReply],
    translate: Callable[[Exception, ChatRequest], ChatError],
) -> ChatReply:
    """One request and its answer, within `request.timeout` seconds in all, however the bytes come.

    `await send(request)` gives the answer and its headers; `read(answer, request, headers)` makes a
    reply of them, or raises. Whatever Exception the two raise, the SDK's own or not, and a TimeoutError
    when the time is over: what `translate(exception, request)` makes of it is raised in its place, and
    the exception, whose request may hold the key, is nowhere on it, as `__cause__` or as `__context__`.
    """

    async def answered() -> ChatReply:
        """In its own frame: an answer may quote the key, and this frame is in the traceback below."""
        answer, headers = await send(request)
        return read(answer, request, headers)

    failure: ChatError
    try:
        with anyio.fail_after(request.timeout):
            return await answered()
    except Exception as exception:
        failure = translate(exception, request)
    # Outside the except block: inside, Python would hang the exception on failure.__context__.
    raise failure.with_traceback(None)


def _arguments(request: ChatRequest, params: Mapping[str, object]) -> dict[str, object]:
    for name in ("extra_headers", "extra_query"):
        if isinstance(fields := params.get(name), Mapping):
            remember_named(fields)
    arguments = {
        **params,
        "model": request.model,
        "messages": list(request.messages),
        "timeout": _seconds(request),
    }
    if request.parse is not None:
        arguments["response_format"] = response_format(request.parse)
    if request.on_piece is not None:
        arguments["stream"] = True
    return arguments


def _seconds(request: ChatRequest) -> float | None:
    return request.timeout if request.timeout != float("inf") else None
