"""The wrapper: the only object that most people touch.

Checks what it is given, nests the layers (`_layers`, in one place to see), and
brings every call into one event loop, whoever makes it. Not here: any behaviour
of a layer.
"""

from __future__ import annotations

import weakref
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Self

import anyio
import openai

from safechat.bulk import Bulk, Progress
from safechat.call import OpenAICall, check_client
from safechat.errors import ChatError, DeadlineExceeded, KeyUnavailable
from safechat.limits import RateLimited, RateLimits
from safechat.loop import OwnLoop
from safechat.messages import (
    ChatReply,
    ChatRequest,
    Handler,
    Messages,
    check_messages,
    check_model,
    check_seconds,
)
from safechat.retry import Retried, RetryPolicy
from safechat.settings import read_settings

DEFAULT_MODEL = "gpt-5-mini"


class ChatClientWrapper:
    """A chat client that is safe to call from anywhere in a program.

    `client` is `OpenAI()`, `AsyncOpenAI()`, one of their Azure kin, or any object
    with `.chat.completions.create`. It stays yours: closing the wrapper does not
    close it. `timeout` limits one attempt, `deadline` the whole call, both in
    seconds. `limits` is what the API allows; what it leaves open follows the API's
    headers. One wrapper serves all threads and event loops of a program.

        with ChatClientWrapper(OpenAI()) as chat:
            print(chat.generate("Merhaba"))
    """

    def __init__(
        self,
        client: object,
        *,
        model: str = DEFAULT_MODEL,
        timeout: float = 10.0,
        deadline: float = 60.0,
        retry: RetryPolicy | None = None,
        limits: RateLimits | None = None,
    ) -> None:
        self._model = check_model(model)
        self._timeout = check_seconds("timeout", timeout)
        self._deadline = check_seconds("deadline", deadline)
        check_client(client)
        limits = limits or RateLimits()
        retry = retry or RetryPolicy()
        self._loop = OwnLoop(lambda: Layers.around(OpenAICall(client), limits, retry))
        # A wrapper that is dropped without close() leaves no thread behind.
        weakref.finalize(self, self._loop.close, wait=False).atexit = False

    @classmethod
    def from_env(cls, *, env_file: str | None = ".env") -> Self:
        """A wrapper over AsyncOpenAI, as the environment and `env_file` say (settings.py lists the names).

        Raises KeyUnavailable without a key, ValueError for a setting that is wrong.
        """
        settings = read_settings(env_file)
        if settings.api_key is None:
            raise KeyUnavailable("there is no API key: set OPENAI_API_KEY in the environment or in .env")
        client = openai.AsyncOpenAI(
            api_key=settings.api_key.get_secret_value(),
            base_url=settings.base_url,
            organization=settings.organization,
            project=settings.project,
        )
        chosen = settings.model_dump(include={"model", "timeout", "deadline"}, exclude_none=True)
        limits = settings.model_dump(
            include={"requests_per_minute", "tokens_per_minute", "concurrency"}, exclude_none=True
        )
        return cls(client, limits=RateLimits(**limits), **chosen)

    def generate(
        self,
        messages: Messages,
        model: str | None = None,
        temperature: float | None = None,
        *,
        timeout: float | None = None,
        deadline: float | None = None,
        allow_truncated: bool = False,
        **params: object,
    ) -> ChatReply:
        """The answer to `messages`: a str, or a list of messages.

        What is not given is the wrapper's own. `params` go to the API as they
        are (`tools=`, `response_format=`, `max_completion_tokens=`, …); a sampling
        parameter that the model does not take is left out, and logged once.

        Raises ChatError (errors.py draws the tree) when there is no answer;
        TypeError or ValueError, before anything is sent, when the input is wrong.
        """
        return self._loop.run(
            self._job(
                messages,
                model,
                temperature,
                timeout=timeout,
                deadline=deadline,
                allow_truncated=allow_truncated,
                **params,
            )
        )

    async def generate_async(
        self,
        messages: Messages,
        model: str | None = None,
        temperature: float | None = None,
        *,
        timeout: float | None = None,
        deadline: float | None = None,
        allow_truncated: bool = False,
        **params: object,
    ) -> ChatReply:
        """`generate` for an event loop, any event loop. Cancelling it cancels the request."""
        return await self._loop.run_async(
            self._job(
                messages,
                model,
                temperature,
                timeout=timeout,
                deadline=deadline,
                allow_truncated=allow_truncated,
                **params,
            )
        )

    def map(
        self,
        prompts: Iterable[Messages],
        *,
        workers: int = 32,
        progress: Progress | None = None,
        raise_on_error: bool = False,
        **params: object,
    ) -> Iterator[ChatReply | ChatError]:
        """The answers to many prompts, in their order, by `workers` calls at once.

        Takes from `prompts` only as fast as answers are taken from it. A call that
        fails is its ChatError as a value (`raise_on_error` raises it); a prompt
        that is wrong is a RequestRejected. `progress(done, total)` is called after
        each item. `params` are those of `generate`.
        """
        return Bulk(self, prompts, workers, progress, raise_on_error, params).run()

    def map_async(
        self,
        prompts: Iterable[Messages] | AsyncIterable[Messages],
        *,
        workers: int = 32,
        progress: Progress | None = None,
        raise_on_error: bool = False,
        **params: object,
    ) -> AsyncIterator[ChatReply | ChatError]:
        """`map` for an event loop."""
        return Bulk(self, prompts, workers, progress, raise_on_error, params).run_async()

    def close(self) -> None:
        """Cancel what is under way, close the wrapper's connections, end its loop; `client` stays open."""
        self._loop.close()

    async def aclose(self) -> None:
        """`close` for an event loop, which it does not block."""
        await anyio.to_thread.run_sync(self._loop.close)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()

    def __repr__(self) -> str:
        limits = f"timeout={self._timeout:g}, deadline={self._deadline:g}"
        return f"{type(self).__name__}(model={self._model!r}, {limits})"

    def _job(
        self,
        messages: Messages,
        model: str | None = None,
        temperature: float | None = None,
        *,
        timeout: float | None = None,
        deadline: float | None = None,
        allow_truncated: bool = False,
        **params: object,
    ) -> Callable[[Layers], Awaitable[ChatReply]]:
        """The call, checked, to be made in the wrapper's loop."""
        if params.get("stream"):
            raise ValueError("generate gives a whole answer; stream=True is not for it")
        if temperature is not None:
            params["temperature"] = temperature
        request = ChatRequest(
            messages=check_messages(messages),
            model=self._model if model is None else check_model(model),
            params=params,
            timeout=self._timeout if timeout is None else check_seconds("timeout", timeout),
            allow_truncated=allow_truncated,
        )
        seconds = self._deadline if deadline is None else check_seconds("deadline", deadline)
        return lambda layers: layers.answer(request, seconds)


@dataclass(frozen=True, slots=True)
class Layers:
    """The layers of one event loop, ready to answer."""

    handler: Handler
    call: OpenAICall

    @classmethod
    def around(cls, call: OpenAICall, limits: RateLimits, retry: RetryPolicy) -> Self:
        """The order of the layers, the innermost first."""
        limited = RateLimited(call, limits)
        retried = Retried(limited, retry)
        return cls(retried, call)

    async def answer(self, request: ChatRequest, deadline: float) -> ChatReply:
        """The call, under its deadline (seconds from now)."""
        started = anyio.current_time()
        with anyio.move_on_after(deadline):
            reply = await self.handler(replace(request, deadline=started + deadline))
            return replace(reply, latency=anyio.current_time() - started)
        raise DeadlineExceeded(
            f"{request.model}: the call did not finish within its deadline of {deadline:g} s",
            model=request.model,
        )

    async def aclose(self) -> None:
        await self.call.aclose()
