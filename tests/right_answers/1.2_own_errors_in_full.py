#| odev 1.2 call.reply.checked_reply
def error_from(reply, error, what):
    return error(
        what,
        status=200,
        request_id=reply.request_id,
        model=reply.model,
        usage=reply.usage,
        partial_text=reply.text,
    )


def checked_reply(reply: ChatReply, request: ChatRequest, refusal: str | None = None) -> ChatReply:
    match reply.finish_reason:
        case "content_filter":
            raise error_from(reply, ContentFiltered, "filtre")
        case "length" if not request.allow_truncated:
            raise error_from(reply, TruncatedReply, "kesik")
    if reply.text.strip() == "" and not reply.tool_calls:
        if refusal:
            raise error_from(reply, RefusedReply, f"model: {refusal}")
        raise error_from(reply, EmptyReply, "metin yok")
    return reply
