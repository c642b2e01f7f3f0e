#| odev 1.2 call.reply.checked_reply
# hint: içerik filtresi
def checked_reply(reply: ChatReply, request: ChatRequest, refusal: str | None = None) -> ChatReply:
    """`reply` itself, where it is an answer to the request. `refusal` are the words of a model that declined.

    Raises ContentFiltered, or BadReply and its subclasses.
    """
    if reply.finish_reason == "length" and not request.allow_truncated:
        what = "cut at the token limit: raise max_completion_tokens, or pass allow_truncated=True"
        raise error_from(reply, TruncatedReply, what, code="length")
    if not reply.text.strip() and not reply.tool_calls:
        if refusal:
            what = f"the model declined: {refusal}"
            raise error_from(reply, RefusedReply, what, code="refusal", quoted=(refusal,))
        raise error_from(reply, EmptyReply, f"no text (finish_reason {reply.finish_reason!r})")
    return reply
