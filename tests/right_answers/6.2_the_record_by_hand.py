#| odev 6.2 keys.layer.Keyed
from safechat.call.clients import using_key as with_key
from safechat.log.call_record import call_record as kayıt


class Keyed:
    def __init__(self, next, keys):
        self._next = next
        self._keys = keys

    async def _send(self, key, request):
        with with_key(key.value.get_secret_value()):
            return await self._next(request)

    async def __call__(self, request):
        with kayıt() as record:
            key = await get_key(self._keys, request)
            try:
                return await self._send(key, request)
            except AuthenticationFailed as error:
                first = error
            fresh = await get_key(self._keys, request, key.version)
            if key.value == fresh.value:
                raise first
            record.attempt_failed(first, request)
            try:
                return record.counted(await self._send(fresh, request))
            except ChatError as error:
                record.add(error)
                raise
