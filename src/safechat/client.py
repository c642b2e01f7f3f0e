"""The wrapper: the only object that most people touch.

Checks what it is given, nests the layers (`_layers`, in one place to see), and
brings every call into one event loop, whoever makes it. Not here: any behaviour
of a layer.
"""

from __future__ import annotations

import time
import weakref
from dataclasses import replace
from types import TracebackType
from typing import Self

import anyio
import openai

from safechat.call import OpenAICall
from safechat.errors import DeadlineExceeded, KeyUnavailable
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
from safechat.settings import read_settings

DEFAULT_MODEL = "gpt-5-mini"


class ChatClientWrapper:
    """A chat client that is safe to call from anywhere in a program.

    `client` is `OpenAI()`, `AsyncOpenAI()`, one of their Azure kin, or any object
    with `.chat.completions.create`. It stays yours: closing the wrapper does not
    close it. `timeout` limits one attempt, `deadline` the whole call, both in
    seconds. One wrapper serves all threads and event loops of a program.

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
    ) -> None:
        self._model = check_model(model)
        self._timeout = check_seconds("timeout", timeout)
        self._deadline = check_seconds("deadline", deadline)
        call = OpenAICall(client)
        self._handler = _layers(call)
        self._loop = OwnLoop(cleanup=call.aclose)
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
        return cls(client, **chosen)

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
        request = self._request(messages, model, temperature, timeout, allow_truncated, params)
        return self._loop.run(self._answer, request, self._seconds("deadline", deadline))

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
        request = self._request(messages, model, temperature, timeout, allow_truncated, params)
        return await self._loop.run_async(self._answer, request, self._seconds("deadline", deadline))

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

    def _request(
        self,
        messages: Messages,
        model: str | None,
        temperature: float | None,
        timeout: float | None,
        allow_truncated: bool,
        params: dict[str, object],
    ) -> ChatRequest:
        if params.get("stream"):
            raise ValueError("generate gives a whole answer; stream=True is not for it")
        if temperature is not None:
            params["temperature"] = temperature
        return ChatRequest(
            messages=check_messages(messages),
            model=self._model if model is None else check_model(model),
            params=params,
            timeout=self._seconds("timeout", timeout),
            allow_truncated=allow_truncated,
        )

    def _seconds(self, name: str, given: float | None) -> float:
        if given is not None:
            return check_seconds(name, given)
        return self._timeout if name == "timeout" else self._deadline

    async def _answer(self, request: ChatRequest, deadline: float) -> ChatReply:
        """The call, in the wrapper's loop, under its deadline (seconds from now)."""
        started = time.monotonic()
        with anyio.move_on_after(deadline):
            reply = await self._handler(replace(request, deadline=started + deadline))
            return replace(reply, latency=time.monotonic() - started)
        raise DeadlineExceeded(
            f"{request.model}: the call did not finish within its deadline of {deadline:g} s",
            model=request.model,
        )


def _layers(call: OpenAICall) -> Handler:
    """The layers, the outermost last."""
    return call
