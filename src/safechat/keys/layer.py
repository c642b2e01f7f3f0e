"""Keyed: each call with the key of a KeySource; after a 401 once more, with a newer one.

So a key that was rotated takes effect without a restart. The SDK asks for the
key of its request through its `api_key` callable (sdk.py), never by a new client.
Not here: where keys come from (keys.py).
"""

from __future__ import annotations

from safechat.call.clients import using_key
from safechat.errors import AuthenticationFailed, ChatError, KeyUnavailable
from safechat.keys.source import Key, KeySource
from safechat.log.record import call_record
from safechat.messages import ChatReply, ChatRequest, Handler
from safechat.redact import redact


class Keyed:
    """The layer."""

    def __init__(self, next: Handler, keys: KeySource) -> None:
        self._next = next
        self._keys = keys

    async def __call__(self, request: ChatRequest) -> ChatReply:
        """The next handler's reply. Raises KeyUnavailable where there is no key; AuthenticationFailed
        when the API refuses it and the source has no other."""
        key = await self._get(request, None)
        try:
            return await self._with(key, request)
        except AuthenticationFailed as error:
            refused = error
        fresh = await self._get(request, key.version)
        if fresh.value == key.value:  # not the versions: those of a secret that was made anew begin at 1
            raise refused
        with call_record() as record:
            record.attempt_failed(refused, request, key_version=key.version, next_key_version=fresh.version)
            try:
                return record.counted(await self._with(fresh, request))
            except ChatError as error:
                record.add(error)
                raise

    async def _get(self, request: ChatRequest, not_version: int | None) -> Key:
        failure: ChatError
        try:
            with call_record() as record, record.wait():
                return await self._keys.get(not_version)
        except ChatError as error:
            error.model, error.attempts = error.model or request.model, 0
            raise
        except Exception as exception:
            text = redact(f"{type(exception).__name__}: {exception}")
            failure = KeyUnavailable(f"the key source failed: {text}", model=request.model, attempts=0)
        raise failure

    async def _with(self, key: Key, request: ChatRequest) -> ChatReply:
        with using_key(key.value.get_secret_value()):
            return await self._next(request)
