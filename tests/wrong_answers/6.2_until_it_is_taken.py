#| odev 6.2 keys.layer.Keyed
# hint: orada dur
class Keyed:
    """The layer. `keys` gives the key of each request."""

    def __init__(self, next, keys):
        self._next = next
        self._keys = keys

    async def __call__(self, request):
        key = await get_key(self._keys, request)
        while True:
            try:
                return await answer_with(key, self._next, request)
            except AuthenticationFailed as error:
                fresh = await get_key(self._keys, request, key.version)
                if fresh.value == key.value:
                    raise error
                with call_record() as record:
                    record.attempt_failed(error, request)
                key = fresh


from safechat.log.call_record import call_record
