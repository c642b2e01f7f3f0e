#| odev 6.2 keys.layer.Keyed
# hint: Yalnızca AuthenticationFailed
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
        except Exception as error:
            refused = error
        fresh = await get_key(self._keys, request, key.version)
        # Values are compared, not versions: those of a secret that was created again begin at 1.
        if fresh.value == key.value:
            raise refused
        return await answer_again(key, fresh, refused, self._next, request)
