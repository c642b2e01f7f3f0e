#| odev 8.3 client.generation.AsyncGeneration given
# hint: aynı iki adım
class AsyncGeneration:

    dispatcher: Dispatcher

    async def generate_async(
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
            timeout=timeout,
            deadline=deadline,
            allow_truncated=allow_truncated,
            parse=parse,
            **params,
        )
        return await self.dispatcher.run_async(call.answer)
