"""The kinds of client that every test of a call runs with: one for each way of a request."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import httpx2
import openai

from safechat import ChatClientWrapper, RetryPolicy

KEY = "sk-proj-Zk3x9Q7mT1vB8nR5wY2c"

SDK_KINDS = ("async", "httpx2", "thread")
KINDS = (*SDK_KINDS, "plain")
# Of the Responses API: tests/safechat/call/conftest.py has a test's wrapper go by it.
RESPONSES_KINDS = ("responses", "responses-thread")
ALL_KINDS = (*KINDS, *RESPONSES_KINDS)
_ONE_REQUEST_EACH = httpx2.Limits(max_keepalive_connections=0)


def make_client(kind: str, base_url: str = "https://api.openai.com/v1", **options: Any) -> object:
    """A client of the SDK, or a PlainClient.

    `async` goes by aiohttp, and so does `sync`, by its asynchronous twin; `httpx2` and `thread` are the two
    with an `http_client` made by hand, which go by httpx2, in the loop and in threads. Such a client is its
    maker's to close; these keep no connection open, so that a test has nothing to close. Those of the
    Responses API are `async` and `thread`.
    """
    kind = {"responses": "async", "responses-thread": "thread"}.get(kind, kind)
    if kind in ("async", "sync"):
        sdk = openai.AsyncOpenAI if kind == "async" else openai.OpenAI
        return sdk(api_key=KEY, base_url=base_url, **options)
    if kind == "httpx2":
        options["http_client"] = openai.DefaultAsyncHttpxClient(limits=_ONE_REQUEST_EACH)
        return openai.AsyncOpenAI(api_key=KEY, base_url=base_url, **options)
    if kind == "thread":
        options["http_client"] = openai.DefaultHttpxClient(limits=_ONE_REQUEST_EACH)
        return openai.OpenAI(api_key=KEY, base_url=base_url, **options)
    return PlainClient(base_url)


def once(client: object, **options: Any) -> ChatClientWrapper:
    """A wrapper that asks once: for tests of a single call."""
    return ChatClientWrapper(client, retry=RetryPolicy(attempts=1), **options)


class PlainClient:
    """An object that is no SDK client: it has `.chat.completions.create` and talks HTTP by urllib."""

    def __init__(self, base_url: str) -> None:
        self.base_url = base_url
        self.api_key = KEY
        self.chat = SimpleNamespace(completions=SimpleNamespace(create=self._create))

    def _create(self, *, timeout: float | None = None, **body: object) -> object:
        request = urllib.request.Request(
            f"{self.base_url}/chat/completions",
            json.dumps(body).encode(),
            {"content-type": "application/json", "authorization": f"Bearer {self.api_key}"},
        )
        try:
            if body.get("stream"):
                return _events(urllib.request.urlopen(request, timeout=timeout))
            with urllib.request.urlopen(request, timeout=timeout) as answer:
                text = answer.read().decode()
        except urllib.error.HTTPError as error:
            raise _sdk_error(error) from error
        try:
            return json.loads(text, object_hook=lambda pairs: SimpleNamespace(**pairs))
        except ValueError:
            return text


def _events(answer: Any) -> Iterator[object]:
    with answer:
        for line in answer:
            data = line.decode().removeprefix("data:").strip()
            if data and data != "[DONE]":
                yield json.loads(data, object_hook=lambda pairs: SimpleNamespace(**pairs))


def _sdk_error(error: urllib.error.HTTPError) -> openai.APIStatusError:
    request = httpx2.Request("POST", error.url, headers={"authorization": f"Bearer {KEY}"})
    response = httpx2.Response(error.code, headers=dict(error.headers.items()), request=request)
    content = error.read()
    try:
        body = json.loads(content)["error"]
    except (ValueError, LookupError, TypeError):
        body = content.decode()
    return openai.APIStatusError(f"Error code: {error.code}", response=response, body=body)
