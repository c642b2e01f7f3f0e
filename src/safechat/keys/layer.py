"""Keyed: the layer that gives every request the key of a KeySource, and after a 401 a newer key, once.

So a key that was rotated takes effect without a restart. The SDK asks for the key
of its request through its `api_key` callable (call/clients.py); no new client is needed.
Not here: the sources of keys (env.py, vault/keys.py) and their cache (cache.py).
"""

from __future__ import annotations

from safechat.call.clients import using_key
from safechat.errors import AuthenticationFailed, ChatError, KeyUnavailable
from safechat.keys.source import Key, KeySource
from safechat.log.call_record import call_record
from safechat.messages import ChatReply, ChatRequest, Handler
from safechat.redact import redact


class Keyed:
    """The layer. `keys` gives the key of each request."""

    def __init__(self, next: Handler, keys: KeySource) -> None:
        self._next = next
        self._keys = keys

    async def __call__(self, request: ChatRequest) -> ChatReply:
        """The next handler's reply, to a request with the key of `keys`.

        When the API refuses the key (AuthenticationFailed), `keys` is asked once for another, and the request
        is made again with that. Raises KeyUnavailable where there is no key; the API's AuthenticationFailed
        where the other key has the same value, or is refused too; any other error as it comes.
        """
        key = await get_key(self._keys, request)
        try:
            return await answer_with(key, self._next, request)
        except AuthenticationFailed as error:
            refused = error
        fresh = await get_key(self._keys, request, key.version)
        # Values are compared, not versions: those of a secret that was created again begin at 1.
        if fresh.value == key.value:
            raise refused
        return await answer_again(key, fresh, refused, self._next, request)


async def answer_with(key: Key, next: Handler, request: ChatRequest) -> ChatReply:
    """The next handler's reply, to a request with `key`."""
    with using_key(key.value.get_secret_value()):
        return await next(request)


async def answer_again(
    key: Key, fresh: Key, refused: AuthenticationFailed, next: Handler, request: ChatRequest
) -> ChatReply:
    """The next handler's reply, to a request with `fresh`, after the API has `refused` one with `key`.

    Both are noted in the call's record, so `attempts` of the reply, or of the error, counts both.
    """
    with call_record() as record:
        record.attempt_failed(refused, request, key_version=key.version, next_key_version=fresh.version)
        try:
            return record.counted(await answer_with(fresh, next, request))
        except ChatError as error:
            record.add(error)
            raise


async def get_key(keys: KeySource, request: ChatRequest, not_version: int | None = None) -> Key:
    """The key for this request. Raises KeyUnavailable, also where the source raises anything else."""
    failure: ChatError
    try:
        with call_record() as record, record.wait():
            return await keys.get(not_version)
    except ChatError as error:
        error.model, error.attempts = error.model or request.model, 0
        raise
    except Exception as exception:
        text = redact(f"{type(exception).__name__}: {exception}")
        failure = KeyUnavailable(f"the key source failed: {text}", model=request.model, attempts=0)
    raise failure
