"""The connections of the wrapper's own clients: aiohttp's, which cost less CPU, or httpx2's.

aiohttp comes with `pip install safechat[fast]`. httpx2's connections are taken where aiohttp is not
installed, where it cannot do what the environment asks for, and where a test has mocked httpx2. Not here:
the clients themselves (clients.py).
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from importlib.util import find_spec
from types import FunctionType
from urllib.request import getproxies

import httpcore2
import httpx2
import openai

_PROXY_NAMES = ("http", "https", "all")  # of HTTP_PROXY, HTTPS_PROXY, ALL_PROXY

# The addresses of proxies that aiohttp serves. It knows no SOCKS, for a proxy that speaks TLS itself it would
# need TLS in TLS (docs.aiohttp.org, 'Proxy support'), and it takes a password in Latin-1 letters only.
_PROXY_OF_AIOHTTP = re.compile(r"(http://)?[^@/]+/?", re.IGNORECASE)

_HTTPX2 = os.path.dirname(httpx2.__file__)
_HTTPCORE2 = os.path.dirname(httpcore2.__file__)


def new_pool(mocked: bool) -> httpx2.AsyncClient:
    """An HTTP client for the running event loop. One that is `mocked` goes by httpx2."""
    if mocked or not _aiohttp_serves():
        return openai.DefaultAsyncHttpxClient()
    return openai.DefaultAioHttpClient()


def httpx2_is_mocked() -> bool:
    """Whether a test, or a tracing library, has replaced the methods by which httpx2 sends a request:
    pytest-httpx2 the second of the two, others the first."""
    return not (
        comes_from(_HTTPX2, httpx2.AsyncHTTPTransport.handle_async_request)
        and comes_from(_HTTPCORE2, httpcore2.AsyncConnectionPool.handle_async_request)
    )


def synchronous_httpx2_is_mocked() -> bool:
    """The same of its synchronous methods."""
    return not (
        comes_from(_HTTPX2, httpx2.HTTPTransport.handle_request)
        and comes_from(_HTTPCORE2, httpcore2.ConnectionPool.handle_request)
    )


def comes_from(folder: str, function: Callable[..., object]) -> bool:
    """Whether it is a plain function whose code stands in a file of this folder: nothing is wrapped around
    it. (wrapt's objects are no plain functions.)"""
    return type(function) is FunctionType and function.__code__.co_filename.startswith(folder)


def _aiohttp_serves() -> bool:
    if find_spec("aiohttp") is None:
        return False
    proxies = {name: address for name, address in getproxies().items() if name in _PROXY_NAMES}
    return all(_PROXY_OF_AIOHTTP.fullmatch(address) for address in proxies.values())
