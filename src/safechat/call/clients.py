"""The openai SDK's clients: made, checked, copied for a loop, and given the key of each request.

Not here: their connections (pool.py), how they are called (endpoint.py), where keys come from (keys/).
"""

from __future__ import annotations

import asyncio
import copy
import inspect
import os
import weakref
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from types import MethodType
from typing import Any, Protocol, TypeVar, cast

import httpx2
import openai

from safechat.call.pool import comes_from, new_pool
from safechat.errors import ChatError, ConnectionFailed, KeyUnavailable
from safechat.redact import remember, remember_named, remember_url

SDKClient = openai.OpenAI | openai.AsyncOpenAI
T = TypeVar("T")
C = TypeVar("C", bound=SDKClient)


class InThread(Protocol):
    """Runs a blocking function in a thread."""

    def __call__(self, function: Callable[[], T]) -> Awaitable[T]: ...


_OPENAI = "https://api.openai.com/v1"
_SDK_FOLDER = os.path.dirname(openai.__file__)
_TWINS: dict[type, Callable[..., openai.AsyncOpenAI]] = {
    openai.OpenAI: openai.AsyncOpenAI,
    openai.AzureOpenAI: openai.AsyncAzureOpenAI,
}
_SDK_POOLS = ("SyncHttpxClientWrapper", "AsyncHttpxClientWrapper")
# The loop in which a wrapper uses an http_client that was made by hand.
_loops: weakref.WeakKeyDictionary[httpx2.AsyncClient, weakref.ref[asyncio.AbstractEventLoop]]
_loops = weakref.WeakKeyDictionary()
_key_in_use: ContextVar[str] = ContextVar("safechat_key")


def key_in_use() -> str:
    """The key of the request that is being made here."""
    return _key_in_use.get()


@contextmanager
def using_key(key: str) -> Iterator[None]:
    """Within it, requests are made with `key`."""
    token = _key_in_use.set(key)
    try:
        yield
    finally:
        _key_in_use.reset(token)


def check_keyed(client: object) -> None:
    """Raise TypeError if `client` cannot be given another key."""
    if not isinstance(client, SDKClient):
        raise TypeError(f"keys is for clients of the openai SDK; a {type(client).__name__} has its own key")
    own = {name.lower() for name in getattr(client, "_custom_headers", {})} & {"authorization", "api-key"}
    if own or getattr(client, "workload_identity", None) is not None:
        raise ValueError(
            "keys would not be used: the client logs in by itself (its headers, or its identity)"
        )


def new_client(*, base_url: str | None, organization: str | None, project: str | None) -> openai.AsyncOpenAI:
    """A client of the SDK, for a wrapper that is given none. Each request brings its own key."""
    client = openai.AsyncOpenAI(
        api_key=_current_key, base_url=base_url or _OPENAI, organization=organization, project=project
    )
    return _of(organization, project, client)


def _of(organization: str | None, project: str | None, client: C) -> C:
    """`client`, for these two: in place of None the SDK took an environment variable, which may be empty."""
    client.organization, client.project = organization, project
    return client


def remember_keys(client: object) -> None:
    """Have the keys and passwords that a client holds taken out of every text, wherever it holds them."""
    for name in ("api_key", "_azure_ad_token"):
        if isinstance(key := getattr(client, name, None), str):
            remember(key)
    for name in ("_custom_headers", "_custom_query"):
        if isinstance(fields := getattr(client, name, None), Mapping):
            remember_named(fields)
    if isinstance(client, SDKClient):
        remember_url(str(client.base_url))


def has_own_pool(client: object) -> bool:
    """Whether the SDK made the client's connections: those of an http_client made by hand are shared with
    the copy, and stay open."""
    return type(getattr(client, "_client", None)).__name__ in _SDK_POOLS


def check_loop(client: SDKClient) -> None:
    """Raise ConnectionFailed if the connections of an `http_client` made by hand belong to another event
    loop: there they were opened, and an answer that comes on them never reaches this one."""
    http_client = client._client
    if not isinstance(http_client, httpx2.AsyncClient):
        return
    loop = asyncio.get_running_loop()
    transport = getattr(http_client, "_transport", None)
    session_loop = getattr(getattr(transport, "client", None), "_loop", loop)  # aiohttp's
    connections = getattr(getattr(transport, "_pool", None), "connections", ())
    owner = _loops.get(http_client)
    if session_loop is not loop or (connections and (owner is None or owner() is not loop)):
        raise ConnectionFailed(
            "the client's http_client was made by hand, and its connections belong to another event loop: "
            "give the wrapper a client of its own, or one without http_client",
            retryable=False,
            sent=False,
        )
    _loops[http_client] = weakref.ref(loop)


def copied(
    client: SDKClient, keyed: bool, in_thread: InThread, *, aiohttp: bool = False, twin: bool = True
) -> SDKClient:
    """`client` without retries, and with connections of its own unless they were made by hand.

    A synchronous client becomes its asynchronous `twin` where that does the same. A blocking callable that
    gives its key is called by `in_thread`. The key that it holds is remembered, for it to be taken out of
    every text.
    """
    remember_keys(client)
    if twin and has_twin(client):
        return _of(client.organization, client.project, _twin(client, keyed, in_thread, aiohttp))
    if keyed and isinstance(client, openai.AzureOpenAI | openai.AsyncAzureOpenAI):
        client = copy.copy(client)
        client._azure_ad_token = client._azure_ad_token_provider = None  # the SDK takes no key beside one
    options: dict[str, Any] = {"max_retries": 0}
    own_pool = has_own_pool(client)
    provider: Callable[[], Any] | None = getattr(client, "_api_key_provider", None)
    token: Callable[[], Any] | None = getattr(client, "_azure_ad_token_provider", None)
    if isinstance(client, openai.AsyncOpenAI):
        if own_pool:
            options["http_client"] = new_pool(aiohttp)
        if keyed:
            options["api_key"] = _current_key
        elif provider is not None:
            options["api_key"] = _guarded_async(provider)
        if token is not None:
            options["azure_ad_token_provider"] = _guarded_async(_never_blocking(token, in_thread))
    else:
        if own_pool:
            options["http_client"] = openai.DefaultHttpxClient()
        if keyed:
            options["api_key"] = key_in_use
        elif provider is not None:
            options["api_key"] = _guarded(provider)
        if token is not None:
            options["azure_ad_token_provider"] = _guarded(token)
    return _of(client.organization, client.project, client.copy(**options))


def has_twin(client: SDKClient) -> bool:
    """Whether an asynchronous client can be made that does the same as this synchronous one: it is of the
    SDK's own class, unchanged, with the SDK's own connections, and logs in by a key or a token."""
    return (
        type(client) in _TWINS
        and has_own_pool(client)
        and getattr(client, "workload_identity", None) is None
        and getattr(client, "_provider", None) is None
        and is_the_sdks(client.chat.completions.create)
    )


def is_the_sdks(create: Callable[..., object]) -> bool:
    """Whether nothing has been wrapped around the SDK's own method, on the class or on the instance."""
    return type(create) is MethodType and comes_from(_SDK_FOLDER, create.__func__)


def _twin(client: Any, keyed: bool, in_thread: InThread, aiohttp: bool) -> openai.AsyncOpenAI:
    """The asynchronous client that does the same, by the attributes that the SDK's own `copy` reads."""
    options: dict[str, Any] = {
        "api_key": client.api_key,
        "admin_api_key": client.admin_api_key,
        "organization": client.organization,
        "project": client.project,
        "base_url": client.base_url,
        "timeout": client.timeout,
        "max_retries": 0,
        "default_headers": client._custom_headers,
        "default_query": client._custom_query,
        "http_client": new_pool(aiohttp),
    }
    is_azure = type(client) is openai.AzureOpenAI
    if is_azure:
        options["api_version"] = client._api_version
    if keyed:
        options["api_key"] = _current_key
    elif client._api_key_provider is not None:
        options["api_key"] = _guarded_async(_never_blocking(client._api_key_provider, in_thread))
    if is_azure and not keyed:
        options["azure_ad_token"] = client._azure_ad_token
        if (token := client._azure_ad_token_provider) is not None:
            options["azure_ad_token_provider"] = _guarded_async(_never_blocking(token, in_thread))
    twin: Any = _TWINS[type(client)](**options)
    if is_azure:  # where `models` are listed
        twin._azure_endpoint, twin._azure_deployment = client._azure_endpoint, client._azure_deployment
    return cast(openai.AsyncOpenAI, twin)


async def _current_key() -> str:
    return key_in_use()


def _never_blocking(provider: Callable[[], Any], in_thread: InThread) -> Callable[[], Awaitable[str] | str]:
    """`provider`, called in a thread unless it is a coroutine function."""
    if inspect.iscoroutinefunction(provider):
        return provider

    async def called() -> str:
        value = await in_thread(provider)
        return cast(str, await value if isinstance(value, Awaitable) else value)

    return called


def _guarded(provider: Callable[[], str]) -> Callable[[], str]:
    def key() -> str:
        failure: KeyUnavailable
        try:
            value = provider()
            remember(value)
            return value
        except ChatError:
            raise
        except Exception as exception:
            failure = _no_key(exception)
        raise failure

    return key


def _guarded_async(provider: Callable[[], Awaitable[str] | str]) -> Callable[[], Awaitable[str]]:
    async def key() -> str:
        failure: KeyUnavailable
        try:
            given = provider()
            value = await given if isinstance(given, Awaitable) else given
            remember(value)
            return value
        except ChatError:
            raise
        except Exception as exception:
            failure = _no_key(exception)
        raise failure

    return key


def _no_key(exception: Exception) -> KeyUnavailable:
    return KeyUnavailable(
        f"the client's callable for its key failed: {type(exception).__name__}: {exception}"
    )
