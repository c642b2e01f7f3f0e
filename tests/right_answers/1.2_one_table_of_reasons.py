#| odev 1.2 call.reply.read_reply
HATALAR = {"content_filter": (ContentFiltered, "filtreye takıldı"), "length": (TruncatedReply, "kesildi")}
HATALAR |= {kelime: (BadReply, "sunucu yarıda kesti") for kelime in BROKEN_OFF}


def read_reply(response: object, request: ChatRequest, headers: Mapping[str, str] | None = None) -> ChatReply:
    completion = decode(response, request)
    model = text_of(field(completion, "model")) or request.model
    request_id = (headers or {}).get("x-request-id")
    choice = first_choice(completion, model, request_id)
    message = field(choice, "message")
    reply = ChatReply(
        text=content_text(field(message, "content")),
        model=model,
        finish_reason=known_finish_reason(text_of(field(choice, "finish_reason")), model),
        usage=read_usage(field(completion, "usage")),
        request_id=request_id,
        tool_calls=read_tool_calls(message),
        headers=dict(headers or {}),
    )
    reason = reply.finish_reason
    if reason in HATALAR and not (reason == "length" and request.allow_truncated):
        raise error_from(reply, *HATALAR[reason])
    if reply.tool_calls or reply.text.strip():
        return reply
    refusal = text_of(field(message, "refusal"))
    if refusal:
        raise error_from(reply, RefusedReply, refusal)
    raise error_from(reply, EmptyReply, "metin yok")
