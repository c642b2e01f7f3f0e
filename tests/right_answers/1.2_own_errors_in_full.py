#| odev 1.2 call.reply.read_reply
def error_from(reply, error, what):
    return error(
        what,
        status=200,
        request_id=reply.request_id,
        model=reply.model,
        usage=reply.usage,
        partial_text=reply.text,
    )


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
    match reply.finish_reason:
        case "content_filter":
            raise error_from(reply, ContentFiltered, "filtre")
        case "length" if not request.allow_truncated:
            raise error_from(reply, TruncatedReply, "kesik")
        case reason if reason in BROKEN_OFF:
            raise error_from(reply, BadReply, "yarıda kesildi")
    if reply.text.strip() == "" and not reply.tool_calls:
        if refusal := field(message, "refusal"):
            raise error_from(reply, RefusedReply, f"model: {refusal}")
        raise error_from(reply, EmptyReply, "metin yok")
    return reply
