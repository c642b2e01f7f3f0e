#| odev 8.2 client.generation.Generation given
# hint: Verilmeyen
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
            model or "gpt-5-mini",
            0.7 if temperature is None else temperature,
            timeout=timeout,
            deadline=deadline,
            allow_truncated=allow_truncated,
            parse=parse,
            params=params,
        )
        return self.dispatcher.run(call.answer)
