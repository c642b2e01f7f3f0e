"""The wrapper: the only object that most people touch.

It checks its own settings and hands every call to its dispatcher (dispatch.py).
Not here: the layers and their order (layers.py).
"""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Self

import anyio
from pydantic import BaseModel

from safechat.breaker import BreakerPolicy
from safechat.budget.budget import Budget, check_budget
from safechat.cache import Cache, check_cache
from safechat.call.clients import check_keyed, new_client
from safechat.checks import check_client, check_fallbacks
from safechat.client.dispatch import Defaults, Dispatcher
from safechat.client.generation import AsyncGeneration, Generation
from safechat.client.map import Map, Progress
from safechat.client.stream import AsyncChatStream, ChatStream
from safechat.errors import ChatError, KeyUnavailable
from safechat.fallback import TimeLimits
from safechat.keys.env import EnvKeys
from safechat.keys.source import KeySource, check_keys
from safechat.keys.vault.keys import VaultKeys
from safechat.layers import Layers, Policies
from safechat.limits.group import RedisLimits
from safechat.limits.quota import RateLimits
from safechat.messages import Api, ChatReply, Messages
from safechat.retry import RetryPolicy
from safechat.settings import Settings, read_settings

if TYPE_CHECKING:
    from safechat.adapters.openai import AsyncOpenAI, OpenAI

DEFAULT_MODEL = "gpt-6.1-terra"


class ChatClientWrapper(Generation, AsyncGeneration):
    """A chat client that is safe to call from anywhere in a program.

    `client` is `OpenAI()`, `AsyncOpenAI()`, one of their Azure variants, or any
    object with `.chat.completions.create`. It stays yours: closing the wrapper does
    not close it. `timeout` limits one attempt, `deadline` the whole call, both in
    seconds. `fallbacks` are models to ask when `model` cannot answer, or pairs of
    another client and its model; a part of the deadline is kept for them. `api` is
    `"chat"` for Chat Completions, `"responses"` for the Responses API, or `"auto"`: the
    first, until the API leaves a model to the other, which is remembered. A fallback may
    name its own, as `(model, api)` or `(client, model, api)`, and so may each call
    (`generate("…", api="responses")`). `retry`
    says how often to try again, `limits` how fast to call, `breaker` when to leave a
    failing model alone; limits that are not set follow the API's headers. `keys` gives
    the API key in place of the client's own (VaultKeys, EnvKeys); it is asked again when
    the API refuses a key, and its login is given back at the end. `cache` keeps answers, for the same
    question asked again (DiskCache); `budget` says what calls may cost. One wrapper serves all
    threads and event loops of a program, and a copy of it is the wrapper itself; an
    `http_client` of httpx that you made by hand belongs to one event loop, so to one wrapper.
    The child of a fork may call, and so may its parent. Python 3.12 and later warn a parent that has
    called (DeprecationWarning, 'multi-threaded'), as they do every program with threads.

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
        fallbacks: Sequence[str | tuple[object, str] | tuple[object, str, Api]] = (),
        retry: RetryPolicy | None = None,
        limits: RateLimits | None = None,
        breaker: BreakerPolicy | None = None,
        keys: KeySource | None = None,
        cache: Cache | None = None,
        budget: Budget | None = None,
        strict_streams: bool = True,
        api: Api = "chat",
    ) -> None:
        defaults = Defaults(model, timeout, deadline, strict_streams, api)
        check_client(client, api)
        if keys is not None:
            check_keys(keys)
            check_keyed(client)
        targets = check_fallbacks(client, fallbacks)
        policies = Policies(
            retry or RetryPolicy(),
            limits or RateLimits(),
            breaker or BreakerPolicy(),
            keys,
            TimeLimits(timeout, deadline),
            None if cache is None else check_cache(cache),
            None if budget is None else check_budget(budget),
        )
        clients = ((client, None), *((other, target_api) for other, _, target_api in targets))
        self.dispatcher = Dispatcher(defaults, clients, lambda: Layers.build(client, targets, policies))

    @classmethod
    def from_env(cls, *, env_file: str | None = ".env") -> Self:
        """A wrapper over AsyncOpenAI, as the environment and `env_file` say (settings.py lists the names).

        The key comes from Vault where VAULT_ADDR is set, else from OPENAI_API_KEY.
        Raises KeyUnavailable without a key, ValueError for a setting that is wrong.
        """
        settings = read_settings(env_file)
        keys: KeySource
        if settings.vault_address is not None:
            keys = VaultKeys.from_env(env_file=env_file)
        elif settings.api_key is not None:
            keys = EnvKeys(env_file)
        else:
            raise KeyUnavailable(
                "there is no API key: set OPENAI_API_KEY in the environment or in .env, or VAULT_ADDR"
            )
        client = new_client(
            base_url=settings.base_url,
            organization=settings.organization,
            project=settings.project,
        )
        return cls(client, keys=keys, **_options(settings))

    def stream(
        self,
        messages: Messages,
        model: str | None = None,
        temperature: float | None = None,
        *,
        timeout: float | None = None,
        deadline: float | None = None,
        allow_truncated: bool = False,
        parse: type[BaseModel] | None = None,
        strict_streams: bool | None = None,
        api: Api | None = None,
        **params: object,
    ) -> ChatStream:
        """The answer in pieces of text, as they come; `stream.reply` is the whole, at the end.

        Up to the first piece a stream is retried and falls back; after it, never.
        `timeout` limits the wait for each piece, which keep-alives do not extend.
        Without a finish_reason the end is a TruncatedReply (`strict_streams=False`
        believes it). Usage is asked for by `stream_options`, which may be given. The other
        arguments are those of `generate`.
        """
        call = self.dispatcher.call(
            messages,
            model,
            temperature,
            timeout=timeout,
            deadline=deadline,
            allow_truncated=allow_truncated,
            parse=parse,
            strict_streams=strict_streams,
            streamed=True,
            api=api,
            params=params,
        )
        return ChatStream(self.dispatcher, call)

    def stream_async(
        self,
        messages: Messages,
        model: str | None = None,
        temperature: float | None = None,
        *,
        timeout: float | None = None,
        deadline: float | None = None,
        allow_truncated: bool = False,
        parse: type[BaseModel] | None = None,
        strict_streams: bool | None = None,
        api: Api | None = None,
        **params: object,
    ) -> AsyncChatStream:
        """`stream` for an event loop."""
        call = self.dispatcher.call(
            messages,
            model,
            temperature,
            timeout=timeout,
            deadline=deadline,
            allow_truncated=allow_truncated,
            parse=parse,
            strict_streams=strict_streams,
            streamed=True,
            api=api,
            params=params,
        )
        return AsyncChatStream(self.dispatcher, call)

    def map(
        self,
        prompts: Iterable[Messages],
        *,
        workers: int = 32,
        progress: Progress | None = None,
        raise_on_error: bool = False,
        model: str | None = None,
        temperature: float | None = None,
        timeout: float | None = None,
        deadline: float | None = None,
        allow_truncated: bool = False,
        parse: type[BaseModel] | None = None,
        strict_streams: bool | None = None,
        api: Api | None = None,
        **params: object,
    ) -> Iterator[ChatReply | ChatError]:
        """The answers to many prompts, in their order, by `workers` calls at once.

        An answer comes as soon as it is there and it is its turn. `prompts` is pulled
        at most `2 * workers` ahead of the answers, in its own thread with the
        caller's context variables, so what belongs to one thread (a sqlite3
        connection) is opened inside the generator. What `prompts` raises is raised
        after the answers to the prompts before.

        A call that fails is its ChatError as a value (`raise_on_error` raises it); a
        prompt that is wrong is a RequestRejected. `progress(done, total)` is called
        after each item. The other arguments are those of `generate`; a `deadline` is
        that of one call, from its start.
        """
        call = partial(
            self.dispatcher.call,
            model=model,
            temperature=temperature,
            timeout=timeout,
            deadline=deadline,
            allow_truncated=allow_truncated,
            parse=parse,
            strict_streams=strict_streams,
            api=api,
            params=params,
        )
        return Map(
            self.dispatcher, call, prompts, workers=workers, progress=progress, raise_on_error=raise_on_error
        ).run()

    def map_async(
        self,
        prompts: Iterable[Messages] | AsyncIterable[Messages],
        *,
        workers: int = 32,
        progress: Progress | None = None,
        raise_on_error: bool = False,
        model: str | None = None,
        temperature: float | None = None,
        timeout: float | None = None,
        deadline: float | None = None,
        allow_truncated: bool = False,
        parse: type[BaseModel] | None = None,
        strict_streams: bool | None = None,
        api: Api | None = None,
        **params: object,
    ) -> AsyncIterator[ChatReply | ChatError]:
        """`map` for an event loop of asyncio; an asynchronous iterable is pulled in that loop."""
        call = partial(
            self.dispatcher.call,
            model=model,
            temperature=temperature,
            timeout=timeout,
            deadline=deadline,
            allow_truncated=allow_truncated,
            parse=parse,
            strict_streams=strict_streams,
            api=api,
            params=params,
        )
        return Map(
            self.dispatcher, call, prompts, workers=workers, progress=progress, raise_on_error=raise_on_error
        ).run_async()

    def openai(self) -> OpenAI:
        """An `openai.OpenAI` whose requests this wrapper answers: for what was written for the SDK.

        It raises the SDK's errors, with ours as `__cause__`, and does not retry. A refusal and a cut answer
        are answers there, as with the SDK. `client.responses.create` goes through all layers, too, streams
        included; a fallback that names `chat` as its api is not asked. Embeddings and other endpoints go to
        the API of the wrapper's own client, with the same limits and retries, and without fallbacks; streams
        of them are a 400. A `timeout` that is given counts where it is shorter than the wrapper's.
        """
        from safechat.adapters.openai import openai_client

        return openai_client(self)

    def async_openai(self) -> AsyncOpenAI:
        """`openai` for an event loop: an `openai.AsyncOpenAI`."""
        from safechat.adapters.openai import async_openai_client

        return async_openai_client(self)

    def close(self) -> None:
        """Cancel what is under way, close the wrapper's connections, end its loop; `client` stays open."""
        self.dispatcher.close()

    async def aclose(self) -> None:
        """`close` for an event loop, which it does not block. It closes in a cancelled task, too."""
        with anyio.CancelScope(shield=True):
            await self.dispatcher.aclose()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    def __copy__(self) -> Self:
        """The wrapper itself: its limits, circuits and connections are there once. Frameworks copy."""
        return self

    def __deepcopy__(self, memo: object) -> Self:
        return self

    def __repr__(self) -> str:
        defaults = self.dispatcher.defaults
        limits = f"timeout={defaults.timeout:g}, deadline={defaults.deadline:g}"
        return f"{type(self).__name__}(model={defaults.model!r}, {limits})"


def shared_limits(settings: Settings) -> RedisLimits | None:
    """The Redis that the settings name. Raises what RedisLimits does."""
    if settings.redis_url is None:
        return None
    return RedisLimits(
        settings.redis_url.get_secret_value(),
        name=settings.redis_name,
        processes=settings.redis_processes,
    )


def _options(settings: Settings) -> dict[str, Any]:
    """The arguments of a wrapper that the settings give, by name."""
    given = settings.model_dump(exclude_none=True)
    options: dict[str, Any] = {
        name: given[name] for name in ("model", "timeout", "deadline", "api") if name in given
    }
    if settings.fallbacks is not None:
        options["fallbacks"] = settings.fallback_models()
    if settings.attempts is not None:
        options["retry"] = RetryPolicy(attempts=settings.attempts)
    amounts = {name: given[name] for name in ("usd_per_day", "usd_per_call") if name in given}
    if amounts:
        options["budget"] = Budget(**amounts)
    limits = ("requests_per_minute", "tokens_per_minute", "concurrency")
    options["limits"] = RateLimits(
        **{name: given[name] for name in limits if name in given}, shared=shared_limits(settings)
    )
    return options
