#| odev 1.2 call.reply.checked_reply
def _problem(reply, request, refusal):
    if reply.finish_reason == "content_filter":
        return ContentFiltered, "filtre"
    if reply.finish_reason == "length" and not request.allow_truncated:
        return TruncatedReply, "kesik"
    if reply.text.strip() or reply.tool_calls:
        return None
    return (RefusedReply, refusal) if refusal else (EmptyReply, "metin yok")


def checked_reply(reply: ChatReply, request: ChatRequest, refusal: str | None = None) -> ChatReply:
    problem = _problem(reply, request, refusal)
    if problem is not None:
        raise error_from(reply, *problem)
    return reply
