"""A client of the SDK whose `create` was replaced on the instance, by a tracing tool or by a test.

It is called by that `create`. As a rule this ends in the SDK's own, which sends by the `_post` of the same
object. During our call that goes by our copy of the client instead: without the SDK's retries, with the
key of this request, and the headers of the answer are kept. For other callers of the client nothing changes.
Not here: the copy (clients.py).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import httpx2

from safechat.call.clients import SDKClient

_RAW = "X-Stainless-Raw-Response"  # asks the SDK's clients for the answer with its headers


class Replaced:
    """A part of a client, to be called by its `create`, which sends by `copy`. For one call."""

    def __init__(self, resource: Any, copy: SDKClient) -> None:
        self.create = resource.create
        self.headers = httpx2.Headers()
        self._copy: Any = copy
        if not isinstance(resource._post, _Post):
            resource._post = _Post(resource._post)

    @contextmanager
    def sending(self) -> Iterator[None]:
        """Within it, what the client's `create` sends goes by the copy."""
        token = _under_way.set(self)
        try:
            yield
        finally:
            _under_way.reset(token)

    def post(self, path: str, *, options: Mapping[str, Any], **given: Any) -> object:
        """`post` of the copy: the answer, or for an asynchronous client an awaitable of it."""
        headers = options.get("headers") or {}
        if _RAW in headers:
            return self._copy.post(path, options=options, **given)
        answer = self._copy.post(path, options={**options, "headers": {**headers, _RAW: "true"}}, **given)
        return self._awaited(answer) if isinstance(answer, Awaitable) else self._opened(answer)

    async def _awaited(self, answer: Awaitable[Any]) -> object:
        return self._opened(await answer)

    def _opened(self, answer: Any) -> object:
        self.headers = answer.headers
        return answer.parse()


_under_way: ContextVar[Replaced | None] = ContextVar("safechat_replaced", default=None)


class _Post:
    """In place of the client's `_post`."""

    def __init__(self, post: Callable[..., object]) -> None:
        self._post = post

    def __call__(self, path: str, **given: Any) -> object:
        replaced = _under_way.get()
        return self._post(path, **given) if replaced is None else replaced.post(path, **given)
