#| odev 6.2 keys.layer.Keyed
class Keyed:
    def __init__(self, next, keys):
        self._next = next
        self._keys = keys

    async def __call__(self, request):
        key = await get_key(self._keys, request)
        try:
            return await answer_with(key, self._next, request)
        except AuthenticationFailed as refused:
            fresh = await get_key(self._keys, request, not_version=key.version)
            if fresh.value == key.value:
                raise
            return await answer_again(key, fresh, refused, self._next, request)
