"""The innermost handler: one request to the API, one reply or one ChatError.

It sets a true total time limit (the SDK's is per phase: a body that drips never
ends, nor does a stream of keep-alives), and turns whatever goes wrong into a
ChatError that holds nothing of the SDK. Not here: how the SDK is called
(sdk.py), waiting, trying again, other models.
"""

from __future__ import annotations

import asyncio
import http.client
import json
import re
from collections.abc import Awaitable, Callable, Mapping
from contextlib import aclosing
from dataclasses import replace
from typing import TypeVar

import anyio
import httpx2
import openai

from safechat.chunks import Chunked
from safechat.errors import (
    AuthenticationFailed,
    ChatError,
    ConnectionFailed,
    MalformedReply,
    RequestTimedOut,
    classify,
)
from safechat.headers import retry_after, should_retry
from safechat.messages import ChatReply, ChatRequest
from safechat.parameters import ParameterMemory
from safechat.parse import parsed, response_format
from safechat.redact import redact
from safechat.reply import read_reply
from safechat.sdk import Answer, Endpoint

T = TypeVar("T")

# What is raised where no HTTP status says more. The first that fits counts.
_EXCEPTIONS: tuple[tuple[type[Exception], type[ChatError]], ...] = (
    (openai.APIResponseValidationError, MalformedReply),
    (openai.APITimeoutError, RequestTimedOut),
    (httpx2.TimeoutException, RequestTimedOut),
    (TimeoutError, RequestTimedOut),
    (openai.APIConnectionError, ConnectionFailed),
    (httpx2.TransportError, ConnectionFailed),
    (OSError, ConnectionFailed),
    (http.client.HTTPException, ConnectionFailed),
    (UnicodeDecodeError, MalformedReply),
    (json.JSONDecodeError, MalformedReply),
)

_NO_KEY = re.compile(r"authentication method|missing credentials", re.I)
_RATE_LIMIT = re.compile(r"rate_?limit|insufficient_quota", re.I)


class OpenAICall:
    """Sends a request through `client` and reads the answer, whole or, with `on_piece`, as a stream.

    `client` is OpenAI, AsyncOpenAI, one of their Azure kin, or any object with
    `.chat.completions.create`; a synchronous one runs in a thread. `keyed`: under Keyed.
    """

    def __init__(self, client: object, *, keyed: bool = False) -> None:
        self._endpoint = Endpoint(client, keyed=keyed)
        self._parameters = ParameterMemory()

    async def __call__(self, request: ChatRequest) -> ChatReply:
        """The answer, within `request.timeout` seconds. Raises ChatError, and nothing reachable from it
        holds the key; TypeError for a parameter that the SDK does not know."""
        self._endpoint.check_parameters(request.params)
        if request.on_piece is not None:
            return await self._streamed(request)
        return await attempt(request, self._exchanged, self._read, self._translated)

    @property
    def base_url(self) -> str | None:
        """Where its requests go; None for a client that is not the SDK's."""
        return self._endpoint.base_url()

    async def models(self, timeout: float) -> list[str]:
        """The models that the API lists, by name. Raises ChatError."""
        request = ChatRequest((), "models", timeout=timeout)
        try:
            with anyio.fail_after(timeout):
                return await self._endpoint.models()
        except Exception as exception:
            failure = self._translated(exception, request)
        raise failure.with_traceback(None)

    async def aclose(self) -> None:
        """Close the connections that this object opened; those of the client it was given stay open."""
        await self._endpoint.aclose()

    async def _exchanged(self, request: ChatRequest) -> Answer:
        return await self._adapted(
            request, lambda arguments: self._endpoint.exchange(arguments, request.timeout)
        )

    def _read(self, answer: object, request: ChatRequest, headers: Mapping[str, str]) -> ChatReply:
        reply = replace(read_reply(answer, request, headers), base_url=self.base_url)
        return reply if request.parse is None else parsed(reply, request.parse)

    async def _streamed(self, request: ChatRequest) -> ChatReply:
        """The clock runs while the next piece is awaited, and rests while the consumer takes one."""
        loop = asyncio.get_running_loop()
        chunked = Chunked(request)
        try:
            async with asyncio.timeout(request.timeout) as limit:
                chunks, headers = await self._adapted(request, self._endpoint.stream)
                async with aclosing(chunks):
                    chunked.check_headers(headers)
                    async for chunk in chunks:
                        if not chunked.add(chunk):
                            continue  # a keep-alive, or one in disguise: the clock runs on
                        limit.reschedule(None)
                        await chunked.deliver()
                        limit.reschedule(loop.time() + request.timeout)
            return self._read(chunked.completion(), request, headers)
        except Exception as exception:
            failure = self._translated(exception, request)
        raise chunked.final(failure).with_traceback(None)

    async def _adapted(self, request: ChatRequest, send: Callable[[Mapping[str, object]], Awaitable[T]]) -> T:
        """What `send` gives, once more without each parameter that the API says this model does not take."""
        while True:
            params = self._parameters.adapted(request.model, request.params)
            refused: ChatError
            try:
                return await send(_arguments(request, params))
            except openai.APIStatusError as exception:
                refused = self._translated(exception, request)
            if not self._parameters.learn(request.model, params, refused):
                raise refused

    def _translated(self, exception: Exception, request: ChatRequest) -> ChatError:
        model = request.model
        if isinstance(exception, AssertionError):
            raise exception  # a test's own words, such as respx's for a request that is not mocked
        if isinstance(exception, ChatError):
            exception.args = (self._redacted(str(exception)),)
            return exception
        if isinstance(exception, openai.APIStatusError):
            headers = {name.lower(): value for name, value in exception.response.headers.items()}
            return self._api_error(exception, exception.status_code, headers, request)
        text = self._redacted(_told(exception))
        if isinstance(exception, TypeError | openai.OpenAIError) and _NO_KEY.search(text):
            return AuthenticationFailed(f"{model}: the client has no API key", model=model)
        if "Illegal header value" in text:
            return AuthenticationFailed(
                f"{model}: the client's API key holds a character that no header can carry; a line break?",
                model=model,
            )
        if isinstance(exception, RuntimeError) and "loop" in text:
            return ConnectionFailed(
                f"{model}: {text}. The client's connections belong to another event loop: "
                "give the wrapper an http_client of its own, or none",
                model=model,
            )
        for known, error in _EXCEPTIONS:
            if isinstance(exception, known):
                if error is RequestTimedOut:
                    text = f"no whole answer within {request.timeout:g} s"
                return error(f"{model}: {text}", model=model)
        if isinstance(exception, openai.APIError):  # an error event in a stream: it has no status
            words = f"{exception.code} {exception.type}"
            status = 429 if _RATE_LIMIT.search(words) else 400 if "invalid_request" in words else 500
            return self._api_error(exception, status, {}, request)
        return ChatError(f"{model}: unexpected {text}", model=model)

    def _api_error(
        self, exception: openai.APIError, status: int, headers: Mapping[str, str], request: ChatRequest
    ) -> ChatError:
        """What the API says in an error body."""
        said = exception.body.get("message") if isinstance(exception.body, dict) else exception.body
        said = " ".join(str(said or "no reason given").split())
        code, kind, param = (
            self._redacted(each) if isinstance(each, str) else None
            for each in (exception.code, exception.type, exception.param)
        )
        error = classify(status, code=code, type=kind, message=said)
        word = code or kind
        return error(
            self._redacted(f"{request.model}: {status}{f' {word}' if word else ''}: {said[:500]}"),
            status=status,
            code=code,
            param=param,
            request_id=headers.get("x-request-id"),
            retry_after=retry_after(headers),
            model=request.model,
            retryable=should_retry(headers),
        )

    def _redacted(self, text: str) -> str:
        return redact(text, self._endpoint.keys())


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
        """In a frame of its own: an answer may quote the key, and this frame is in the traceback below."""
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
    arguments = {
        **params,
        "model": request.model,
        "messages": list(request.messages),
        "timeout": request.timeout if request.timeout != float("inf") else None,
    }
    if request.parse is not None:
        arguments["response_format"] = response_format(request.parse)
    if request.on_piece is not None:
        arguments |= {"stream": True, "stream_options": {"include_usage": True}}
    return arguments


def _told(exception: BaseException) -> str:
    """What an exception says, with the cause that the SDK hides behind 'Connection error.'"""
    told = f"{type(exception).__name__}: {exception}".rstrip(": ")
    cause = exception.__cause__
    return f"{told} ({type(cause).__name__}: {cause})" if cause is not None else told
