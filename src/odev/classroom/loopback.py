"""HTTP to servers on this machine, without the proxy that the environment may name."""

from __future__ import annotations

import ssl
import urllib.request
from collections.abc import Mapping
from http.client import HTTPResponse
from pathlib import Path
from typing import cast


def open_url(url: str | urllib.request.Request, *, timeout: float, ca: Path | None = None) -> HTTPResponse:
    """The same as urllib.request.urlopen, without a proxy. `timeout` in seconds. Raises OSError."""
    handlers: list[urllib.request.BaseHandler] = [urllib.request.ProxyHandler({})]
    if ca is not None:
        context = ssl.create_default_context(cafile=str(ca))
        handlers.append(urllib.request.HTTPSHandler(context=context))
    return cast(HTTPResponse, urllib.request.build_opener(*handlers).open(url, timeout=timeout))


def without_proxy(environment: Mapping[str, str]) -> dict[str, str]:
    """NO_PROXY as in `environment`, with this machine added, so that requests to it use no proxy."""
    before = environment.get("NO_PROXY") or environment.get("no_proxy") or ""
    hosts = dict.fromkeys([*filter(None, before.split(",")), "127.0.0.1", "localhost"])
    return dict.fromkeys(("NO_PROXY", "no_proxy"), ",".join(hosts))
