"""The innermost handler: one request to the API, one reply or one ChatError.

It sets a true total time limit (the SDK's is per phase: a body that drips never
ends, nor does a stream of keep-alives), and turns whatever goes wrong into a
ChatError that holds nothing of the SDK. Not here: how the SDK is called
(endpoint.py), how the two APIs differ (apis.py), which exception means which error
(translate.py), waiting (limits/), trying again (retry.py), other models (fallback.py).
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from contextlib import aclosing
from dataclasses import replace
from datetime import date
from functools import partial
from typing import TypeVar, cast

import anyio
import openai

from safechat.call.apis import CHAT_FORMAT, RESPONSES_FORMAT, ApiMemory, WireFormat
from safechat.call.endpoint import Answer, Arguments, Endpoint
from safechat.call.error_body import REASONING_OF_ANOTHER
from safechat.call.input_items import without_reasoning
from safechat.call.parameters import ParameterMemory
from safechat.call.reply import decode, read_body, read_models, read_reply, with_whole_body
from safechat.call.responses_reply import needs_no_text
from safechat.call.schema import parse_reply, response_format
from safechat.call.streamed import Streamed
from safechat.call.time_limit import TimeLimit
from safechat.call.translate import translate
from safechat.errors import ChatError, ConnectionFailed, EmptyReply, RequestTimedOut
from safechat.log.events import event
from safechat.messages import CHAT, RESPONSES_ENDPOINT, ChatReply, ChatRequest
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
        self._apis = ApiMemory(self._endpoint.has(RESPONSES_FORMAT.operation))

    async def __call__(self, request: ChatRequest) -> ChatReply:
        """The answer, within `request.timeout` seconds. Raises ChatError, and nothing reachable from it
        holds the key."""
        if request.endpoint not in (CHAT, RESPONSES_ENDPOINT):
            return await attempt(request, self._passed_on, self._read_body, self._translated)
        wire = self._apis.format_of(request)
        try:
            return await self._answered(wire, request)
        except ChatError as error:
            if wire is not CHAT_FORMAT or not self._apis.learn(request, error):
                raise
        return await self._answered(RESPONSES_FORMAT, request)

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

    async def _answered(self, wire: WireFormat, request: ChatRequest) -> ChatReply:
        if request.on_piece is not None:
            return await self._streamed(wire, request)
        send, read = partial(self._exchanged, wire), partial(self._read, wire)
        return await attempt(request, send, read, self._translated)

    def _exchanged(self, wire: WireFormat, request: ChatRequest) -> Awaitable[Answer]:
        def send(arguments: Arguments) -> Awaitable[Answer]:
            return self._endpoint.exchange(wire.operation, arguments, request.timeout)

        return self._adapted(wire, request, send)

    def _read(
        self, wire: WireFormat, answer: object, request: ChatRequest, headers: Mapping[str, str]
    ) -> ChatReply:
        body = decode(answer, request)
        decoded = body is not answer
        completion = wire.completion(body, request, headers)
        try:
            reply = read_reply(completion, request, headers)
        except ChatError as error:
            if isinstance(error.reply, ChatReply):
                error.reply = with_whole_body(error.reply, completion, body, decoded=decoded)
            if not (isinstance(error, EmptyReply) and needs_no_text(body)):
                raise
            reply = cast(ChatReply, error.reply)
        reply = with_whole_body(
            reply, completion, body, decoded=decoded, base_url=self.base_url, api=wire.api
        )
        return reply if request.parse is None else parse_reply(reply, request.parse)

    async def _passed_on(self, request: ChatRequest) -> Answer:
        arguments = {**request.params, "timeout": _seconds(request)}
        return await self._endpoint.pass_on(request.endpoint, arguments, request.timeout)

    def _read_body(self, answer: object, request: ChatRequest, headers: Mapping[str, str]) -> ChatReply:
        return replace(read_body(answer, request, headers), base_url=self.base_url)

    async def _streamed(self, wire: WireFormat, request: ChatRequest) -> ChatReply:
        streamed = wire.streamed(request)
        try:
            await self._receive(wire, streamed, request)
            return self._read(wire, streamed.whole(), request, streamed.headers)
        except Exception as exception:
            failure = self._translated(exception, request)
        raise streamed.final(failure).with_traceback(None)

    async def _receive(self, wire: WireFormat, streamed: Streamed, request: ChatRequest) -> None:
        """Takes all chunks. The clock runs while the next one is awaited, and rests while the consumer takes
        a piece. A connection that breaks after the end of the answer takes nothing of it away."""
        try:
            async with TimeLimit(request.timeout) as limit:
                send = partial(self._endpoint.stream, wire.operation)
                chunks, headers = await self._adapted(wire, request, send)
                async with aclosing(chunks):
                    streamed.take_headers(headers)
                    async for chunk in chunks:
                        if not streamed.add(chunk):
                            continue  # a keep-alive, or an empty chunk in its place: the clock runs on
                        limit.rest()
                        await streamed.deliver()
                        limit.restart()
        except Exception as exception:
            failure = self._translated(exception, request)
            if not (streamed.finished and isinstance(failure, ConnectionFailed | RequestTimedOut)):
                raise

    async def _adapted(
        self, wire: WireFormat, request: ChatRequest, send: Callable[[Arguments], Awaitable[T]]
    ) -> T:
        """What `send` gives. A parameter that the model refuses, and that the call can do without, is left
        out, and the request is sent again; so is the reasoning in its messages that only another API can
        read."""
        wanted = request.params
        if request.on_piece is not None:
            wanted = {**wire.stream_params, **wanted}
        while True:
            params = self._parameters.adapted(request.model, wanted)
            refused: ChatError
            try:
                return await send(_arguments(wire, request, params))
            except openai.APIStatusError as exception:
                refused = self._translated(exception, request)
            if self._parameters.learn(request.model, params, refused):
                continue
            messages = without_reasoning(request.messages)
            if not REASONING_OF_ANOTHER.search(str(refused)) or messages == request.messages:
                raise refused
            event(logging.WARNING, "chat.reasoning_dropped", model=request.model)
            request = replace(request, messages=messages)

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

    In place of any Exception of `send` or `read`, and of the TimeoutError, it raises what `translate`
    makes of it, which holds nothing of the exception: that one's request may carry the key.
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


def _arguments(wire: WireFormat, request: ChatRequest, params: Mapping[str, object]) -> dict[str, object]:
    for name in ("extra_headers", "extra_query"):
        if isinstance(fields := params.get(name), Mapping):
            remember_named(fields)
    if request.parse is not None:
        params = {**params, "response_format": response_format(request.parse)}
    arguments = wire.arguments(request.messages, params)
    arguments |= {"model": request.model, "timeout": _seconds(request)}
    if request.on_piece is not None:
        arguments["stream"] = True
    return arguments


def _seconds(request: ChatRequest) -> float | None:
    return request.timeout if request.timeout != float("inf") else None
