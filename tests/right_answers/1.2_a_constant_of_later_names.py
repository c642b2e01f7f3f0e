#| odev 1.2 call.reply.checked_reply
HATALAR = {"content_filter": (ContentFiltered, "filtreye takıldı"), "length": (TruncatedReply, "kesildi")}


def checked_reply(reply: ChatReply, request: ChatRequest, refusal: str | None = None) -> ChatReply:
    reason = reply.finish_reason
    if reason in HATALAR and not (reason == "length" and request.allow_truncated):
        raise error_from(reply, *HATALAR[reason])
    if reply.tool_calls or reply.text.strip():
        return reply
    if refusal:
        raise error_from(reply, RefusedReply, refusal)
    raise error_from(reply, EmptyReply, "metin yok")
