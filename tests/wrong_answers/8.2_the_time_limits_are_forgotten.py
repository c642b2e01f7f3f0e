#| odev 8.2 client.generation.Generation given
# hint: timeout, deadline
class Generation:

    dispatcher: Dispatcher

    def generate(
        self,
        messages: Messages,
        model: str | None = None,
        temperature: float | None = None,
        *,
        timeout: float | None = None,
        deadline: float | None = None,
        allow_truncated: bool = False,
        parse: type[BaseModel] | None = None,
        **params: object,
    ) -> ChatReply:
        call = self.dispatcher.call(
            messages,
            model,
            temperature,
            allow_truncated=allow_truncated,
            parse=parse,
            params=params,
        )
        return self.dispatcher.run(call.answer)
