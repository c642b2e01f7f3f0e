"""HTTP to this machine's own servers, past any proxy that the environment names."""

from __future__ import annotations

import ssl
import urllib.request
from collections.abc import Mapping
from http.client import HTTPResponse
from pathlib import Path
from typing import cast


def open_url(url: str | urllib.request.Request, *, timeout: float, ca: Path | None = None) -> HTTPResponse:
    """As urllib.request.urlopen. Raises OSError."""
    handlers: list[urllib.request.BaseHandler] = [urllib.request.ProxyHandler({})]
    if ca is not None:
        context = ssl.create_default_context(cafile=str(ca))
        handlers.append(urllib.request.HTTPSHandler(context=context))
    return cast(HTTPResponse, urllib.request.build_opener(*handlers).open(url, timeout=timeout))


def without_proxy(environment: Mapping[str, str]) -> dict[str, str]:
    """The variables that keep a program's requests to this machine off the proxy of `environment`."""
    named = environment.get("NO_PROXY") or environment.get("no_proxy") or ""
    hosts = dict.fromkeys([*filter(None, named.split(",")), "127.0.0.1", "localhost"])
    return dict.fromkeys(("NO_PROXY", "no_proxy"), ",".join(hosts))
