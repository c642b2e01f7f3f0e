"""What lies between this program and the API: proxies, plain http, an address that lacks its /v1.

No result contains a password. Not here: the checks (doctor.py), where settings come from (origins.py).
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterator
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from safechat.errors import ChatError
from safechat.redact import REDACTED
from safechat.settings import is_readable_on_the_way

_PROXY_KINDS = ("http", "https", "all")  # of HTTP_PROXY, HTTPS_PROXY, ALL_PROXY
_VERSION = re.compile(r"/v\d+(/|$)")
_HTML = re.compile(r"<(!doctype html|html|head)\b", re.IGNORECASE)


def shown_address(url: str) -> str:
    """`url` without a user, a password, or a query, which may hold a key."""
    scheme, separator, rest = url.partition("://") if "://" in url else ("", "", url)
    user, _, place = rest.rpartition("@")
    if "?" in user:  # a password with a question mark, or a query with an @: neither is shown
        return scheme + separator + REDACTED
    return scheme + separator + (f"{REDACTED}@" if user else "") + place.partition("?")[0]


def proxy_words(url: str) -> str:
    """Through which proxy `url` is reached, by the environment or the system; "" where none is set."""
    proxies, parts = getproxies(), urlsplit(url)
    proxy = proxies.get(parts.scheme) or proxies.get("all")
    if not proxy:
        return ""
    if proxy_bypass(parts.netloc.rpartition("@")[2]):
        return (
            f"the API is reached directly, for NO_PROXY names it; other hosts through {shown_address(proxy)}"
        )
    return f"the API is reached through the proxy {shown_address(proxy)}"


def unreadable_addresses(base_url: str | None) -> Iterator[str]:
    """What is wrong with the addresses in force: a client cannot even be made with them."""
    if base_url is not None and not _is_readable(base_url, ("http", "https")):
        yield f"OPENAI_BASE_URL is no address: {shown_address(base_url)}"
    for kind, proxy in getproxies().items():
        url = proxy if "://" in proxy else f"http://{proxy}"
        if kind in _PROXY_KINDS and not _is_readable(url, ("http", "https", "socks5", "socks5h")):
            yield f"{kind.upper()}_PROXY is no address of a proxy: {shown_address(proxy)}"


def _is_readable(url: str, schemes: Container[str]) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in schemes and bool(parts.hostname) and parts.port != 0
    except ValueError:  # the port is no number
        return False


def plain_http_words(name: str, url: str | None) -> str:
    """Who can read what is sent to the address in setting `name`; "" where nobody can."""
    if url is None or not is_readable_on_the_way(url):
        return ""
    return f"{name} is plain http: everyone on the way to {urlsplit(url).hostname} can read the key"


def with_version(url: str) -> str | None:
    """`url` with the /v1 that it lacks; None where it has a version."""
    return None if _VERSION.search(urlsplit(url).path) else f"{url.rstrip('/')}/v1"


def is_a_page(error: ChatError) -> bool:
    """Whether HTML came where JSON should be: a page for people, of a proxy or of a network's login."""
    return _HTML.search(str(error)) is not None
