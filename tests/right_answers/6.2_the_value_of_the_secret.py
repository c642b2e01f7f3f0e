#| odev 6.2 keys.layer.Keyed
class Keyed:
    def __init__(self, next: Handler, keys: KeySource) -> None:
        self.next, self.keys = next, keys

    async def __call__(self, request: ChatRequest) -> ChatReply:
        refused = None
        old = await get_key(self.keys, request)
        try:
            return await answer_with(old, self.next, request)
        except AuthenticationFailed as e:
            refused = e
        new = await get_key(self.keys, request, old.version)
        if new.value.get_secret_value() != old.value.get_secret_value():
            return await answer_again(old, new, refused, self.next, request)
        raise refused
