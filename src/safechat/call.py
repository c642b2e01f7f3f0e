"""The innermost handler: one request to the API through the openai SDK.

The only file that touches the SDK. It sets a true total time limit (the SDK's is
per phase: a body that drips never ends), switches the SDK's own retries off
(retries multiply), and turns whatever goes wrong into a ChatError that holds
nothing of the SDK. Not here: waiting, trying again, other models.
"""

from __future__ import annotations

import asyncio
import difflib
import http.client
import inspect
import re
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, cast

import anyio
import httpx2
import openai

from safechat.errors import (
    AuthenticationFailed,
    ChatError,
    ConnectionFailed,
    KeyUnavailable,
    MalformedReply,
    RequestTimedOut,
    classify,
)
from safechat.headers import retry_after, should_retry
from safechat.messages import ChatReply, ChatRequest
from safechat.parameters import ParameterMemory
from safechat.redact import redact
from safechat.reply import read_reply
from safechat.threads import in_thread

_Answer = tuple[object, Mapping[str, str]]  # the body, or the object made of it; the HTTP headers

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
)


_NO_KEY = re.compile(r"authentication method|missing credentials", re.I)


class OpenAICall:
    """Sends a request through `client` and reads the answer.

    `client` is OpenAI, AsyncOpenAI, one of their Azure kin, or any object with
    `.chat.completions.create`; a synchronous one runs in a thread. An SDK client
    with the SDK's own connection pool is called through a copy with a pool that
    belongs to the running event loop, so it does not matter where `client` was
    used before. A pool of your own (`http_client=`) is used as it is.
    """

    def __init__(self, client: object) -> None:
        self._client = client
        self._copy: tuple[asyncio.AbstractEventLoop, openai.OpenAI | openai.AsyncOpenAI] | None = None
        self._parameters = ParameterMemory()

    async def __call__(self, request: ChatRequest) -> ChatReply:
        """The answer, within `request.timeout` seconds. Raises ChatError, and nothing reachable from it
        holds the key; TypeError for a parameter that the SDK does not know."""
        self._check_parameters(request.params)
        failure: ChatError
        try:
            return await self._attempt(request)
        except AssertionError:
            raise  # a test's own words, such as respx's for a request that is not mocked
        except Exception as exception:
            failure = self._translated(exception, request)
        # Outside the except block: inside, Python would hang the SDK's exception,
        # whose request carries the key, on failure.__context__.
        raise failure.with_traceback(None)

    async def aclose(self) -> None:
        """Close the connections that this object opened; those of the client it was given stay open."""
        copy, self._copy = self._copy, None
        if copy is not None and copy[0] is asyncio.get_running_loop():
            closing = copy[1].close()
            if closing is not None:
                await closing

    async def _attempt(self, request: ChatRequest) -> ChatReply:
        with anyio.fail_after(request.timeout):
            answer, headers = await self._adapted_exchange(request)
        return read_reply(answer, request, headers)

    async def _adapted_exchange(self, request: ChatRequest) -> _Answer:
        """The exchange, once more without each parameter that the API says this model does not take."""
        while True:
            params = self._parameters.adapted(request.model, request.params)
            refused: ChatError
            try:
                return await self._exchange(request, params)
            except openai.APIStatusError as exception:
                refused = self._translated(exception, request)
            if not self._parameters.learn(request.model, params, refused):
                raise refused

    async def _exchange(self, request: ChatRequest, params: Mapping[str, object]) -> _Answer:
        arguments = {
            **params,
            "model": request.model,
            "messages": list(request.messages),
            "timeout": request.timeout if request.timeout != float("inf") else None,
        }
        client = self._sdk_client()
        if isinstance(client, openai.AsyncOpenAI):
            response = await client.chat.completions.with_raw_response.create(**cast(Any, arguments))
            return response.http_response.content, _lowered(response.http_response.headers)
        if isinstance(client, openai.OpenAI):
            expires = time.monotonic() + request.timeout
            return await in_thread(lambda: _read_whole(client, arguments, expires))
        create = cast(Any, client).chat.completions.create
        answer = create(**arguments) if _is_async(create) else await in_thread(lambda: create(**arguments))
        return (await answer if isinstance(answer, Awaitable) else answer), {}

    def _sdk_client(self) -> object:
        """A copy of the SDK client for this event loop; anything else as it was given.

        A client whose `create` a test or a tracing tool has replaced is used as it is.
        """
        client = self._client
        if not isinstance(client, openai.OpenAI | openai.AsyncOpenAI):
            return client
        if "create" in vars(client.chat.completions):
            return _Plain(client)
        loop = asyncio.get_running_loop()
        if self._copy is None or self._copy[0] is not loop:
            self._copy = (loop, _copied(client))
        return self._copy[1]

    def _check_parameters(self, params: Mapping[str, object]) -> None:
        if not isinstance(self._client, openai.OpenAI | openai.AsyncOpenAI):
            return
        for name in params:
            if name not in _PARAMETERS:
                near = difflib.get_close_matches(name, _PARAMETERS, n=1)
                raise TypeError(
                    f"unknown parameter {name!r}"
                    + (f"; did you mean {near[0]!r}?" if near else "")
                    + " A parameter that only your server knows goes into extra_body={…}."
                )

    def _translated(self, exception: Exception, request: ChatRequest) -> ChatError:
        if isinstance(exception, ChatError):
            exception.args = (self._redacted(str(exception)),)
            return exception
        if isinstance(exception, openai.APIStatusError):
            return self._status_error(exception, request)
        text = self._redacted(_told(exception))
        if isinstance(exception, TypeError | openai.OpenAIError) and _NO_KEY.search(text):
            return AuthenticationFailed(f"{request.model}: the client has no API key", model=request.model)
        if isinstance(exception, RuntimeError) and "loop" in text:
            return ConnectionFailed(
                f"{request.model}: {text}. The client's connections belong to another event loop: "
                "give the wrapper an http_client of its own, or none",
                model=request.model,
            )
        for known, error in _EXCEPTIONS:
            if isinstance(exception, known):
                if error is RequestTimedOut:
                    text = f"no whole answer within {request.timeout:g} s"
                return error(f"{request.model}: {text}", model=request.model)
        return ChatError(f"{request.model}: unexpected {text}", model=request.model)

    def _status_error(self, exception: openai.APIStatusError, request: ChatRequest) -> ChatError:
        status, headers = exception.status_code, _lowered(exception.response.headers)
        said = exception.body.get("message") if isinstance(exception.body, dict) else exception.body
        said = " ".join(str(said or "no reason given").split())
        error = classify(status, code=exception.code, type=exception.type, message=said)
        word = exception.code or exception.type
        return error(
            self._redacted(f"{request.model}: {status}{f' {word}' if word else ''}: {said[:500]}"),
            status=status,
            code=exception.code,
            param=exception.param,
            request_id=exception.request_id,
            retry_after=retry_after(headers),
            model=request.model,
            retryable=should_retry(headers),
        )

    def _redacted(self, text: str) -> str:
        clients = (self._client, self._copy[1] if self._copy else None)
        keys = [getattr(client, "api_key", None) for client in clients]
        return redact(text, [key for key in keys if isinstance(key, str)])


def check_client(client: object) -> None:
    """Raise TypeError, which does not show it, if `client` has no `.chat.completions.create`."""
    completions = getattr(getattr(client, "chat", None), "completions", None)
    if not callable(getattr(completions, "create", None)):
        raise TypeError(f"client must have .chat.completions.create; {type(client).__name__} has not")


class _Plain:
    """An SDK client to be called like any other object, by its `create`."""

    def __init__(self, client: openai.OpenAI | openai.AsyncOpenAI) -> None:
        self.chat = client.chat


_PARAMETERS = frozenset(inspect.signature(openai.resources.chat.Completions.create).parameters) - {
    "self", "model", "messages", "stream", "stream_options", "timeout",
}  # fmt: skip


_SDK_POOLS = ("SyncHttpxClientWrapper", "AsyncHttpxClientWrapper")


def _copied(client: openai.OpenAI | openai.AsyncOpenAI) -> openai.OpenAI | openai.AsyncOpenAI:
    """`client` without retries, and with connections of its own unless they were made by hand."""
    provider: Callable[[], Any] | None = getattr(client, "_api_key_provider", None)
    options: dict[str, Any] = {"max_retries": 0}
    own_pool = type(getattr(client, "_client", None)).__name__ in _SDK_POOLS
    if isinstance(client, openai.AsyncOpenAI):
        if own_pool:
            options["http_client"] = openai.DefaultAsyncHttpxClient()
        if provider is not None:
            options["api_key"] = _guarded_async(provider)
    else:
        if own_pool:
            options["http_client"] = openai.DefaultHttpxClient()
        if provider is not None:
            options["api_key"] = _guarded(provider)
    return client.copy(**options)


def _guarded(provider: Callable[[], str]) -> Callable[[], str]:
    def key() -> str:
        failure: KeyUnavailable
        try:
            return provider()
        except ChatError:
            raise
        except Exception as exception:
            failure = KeyUnavailable(f"the client's api_key callable failed: {_told(exception)}")
        raise failure

    return key


def _guarded_async(provider: Callable[[], Awaitable[str]]) -> Callable[[], Awaitable[str]]:
    async def key() -> str:
        failure: KeyUnavailable
        try:
            return await provider()
        except ChatError:
            raise
        except Exception as exception:
            failure = KeyUnavailable(f"the client's api_key callable failed: {_told(exception)}")
        raise failure

    return key


def _read_whole(client: openai.OpenAI, arguments: Mapping[str, object], expires: float) -> _Answer:
    """The body, read piece by piece: so a thread that nobody waits for any more ends by itself."""
    create = client.chat.completions.with_streaming_response.create
    with create(**cast(Any, arguments)) as response:
        pieces: list[bytes] = []
        for piece in response.iter_bytes():
            pieces.append(piece)
            if time.monotonic() > expires:
                raise TimeoutError
        return b"".join(pieces), _lowered(response.headers)


def _is_async(create: object) -> bool:
    return inspect.iscoroutinefunction(create) or asyncio.iscoroutinefunction(create)


def _lowered(headers: httpx2.Headers) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


def _told(exception: BaseException) -> str:
    """What an exception says, with the cause that the SDK hides behind 'Connection error.'"""
    told = f"{type(exception).__name__}: {exception}".rstrip(": ")
    cause = exception.__cause__
    return f"{told} ({type(cause).__name__}: {cause})" if cause is not None else told
