"""The openai SDK's clients: made, checked, copied for a loop, and given the key of each request.

Not here: how they are called (endpoint.py), where keys come from (keys/).
"""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import openai

from safechat.errors import ChatError, KeyUnavailable
from safechat.redact import remember, remember_named, remember_url

SDKClient = openai.OpenAI | openai.AsyncOpenAI

_PARAMETERS = frozenset(inspect.signature(openai.resources.chat.Completions.create).parameters) - {
    "self", "model", "messages", "stream", "stream_options", "timeout",
}  # fmt: skip
_OPENAI = "https://api.openai.com/v1"
_SDK_POOLS = ("SyncHttpxClientWrapper", "AsyncHttpxClientWrapper")
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


def check_parameters(client: object, params: Mapping[str, object]) -> None:
    """Raise TypeError for one of `params` that the SDK's clients do not take; any other client may."""
    if not isinstance(client, SDKClient):
        return
    for name in params:
        if name not in _PARAMETERS:
            near = difflib.get_close_matches(name, _PARAMETERS, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else ";"
            raise TypeError(
                f"unknown parameter {name!r}{hint} "
                "a parameter that only your server knows goes into extra_body={…}"
            )


def key_header(client: SDKClient) -> tuple[str, str]:
    """The header that carries the key, and what goes before the key in it."""
    azure = isinstance(client, openai.AzureOpenAI | openai.AsyncAzureOpenAI)
    return ("api-key", "") if azure else ("Authorization", "Bearer ")


def new_client(*, base_url: str | None, organization: str | None, project: str | None) -> openai.AsyncOpenAI:
    """A client of the SDK, for a wrapper that is given none. Each request brings its own key."""
    client = openai.AsyncOpenAI(
        api_key=_current_key, base_url=base_url or _OPENAI, organization=organization, project=project
    )
    # For None the SDK reads the environment, where a variable may be set and empty.
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


def copied(client: SDKClient, keyed: bool) -> SDKClient:
    """`client` without retries, and with connections of its own unless they were made by hand.

    The key that it holds is remembered, for it to be taken out of every text.
    """
    remember_keys(client)
    provider: Callable[[], Any] | None = getattr(client, "_api_key_provider", None)
    token_provider: Callable[[], Any] | None = getattr(client, "_azure_ad_token_provider", None)
    options: dict[str, Any] = {"max_retries": 0}
    own_pool = has_own_pool(client)
    if isinstance(client, openai.AsyncOpenAI):
        if own_pool:
            options["http_client"] = openai.DefaultAsyncHttpxClient()
        if keyed:
            options["api_key"] = _current_key
        elif provider is not None:
            options["api_key"] = _guarded_async(provider)
        if token_provider is not None:
            options["azure_ad_token_provider"] = _guarded_async(token_provider)
    else:
        if own_pool:
            options["http_client"] = openai.DefaultHttpxClient()
        if keyed:
            options["api_key"] = key_in_use
        elif provider is not None:
            options["api_key"] = _guarded(provider)
        if token_provider is not None:
            options["azure_ad_token_provider"] = _guarded(token_provider)
    return client.copy(**options)


async def _current_key() -> str:
    return key_in_use()


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


def _guarded_async(provider: Callable[[], str | Awaitable[str]]) -> Callable[[], Awaitable[str]]:
    async def key() -> str:
        failure: KeyUnavailable
        try:
            value = provider()
            if not isinstance(value, str):  # Azure's token may come either way
                value = await value
            remember(value)
            return value
        except ChatError:
            raise
        except Exception as exception:
            failure = _no_key(exception)
        raise failure

    return key


def _no_key(exception: Exception) -> KeyUnavailable:
    return KeyUnavailable(f"the client's api_key callable failed: {type(exception).__name__}: {exception}")
