#| odev 1.2 call.reply.checked_reply
# hint: partial_text
def checked_reply(reply: ChatReply, request: ChatRequest, refusal: str | None = None) -> ChatReply:
    """`reply` itself, where it is an answer to the request. `refusal` are the words of a model that declined.

    Raises ContentFiltered, or BadReply and its subclasses.
    """
    if reply.finish_reason == "content_filter":
        raise error_from(reply, ContentFiltered, "a content filter stopped the answer", code="content_filter")
    if reply.finish_reason == "length" and not request.allow_truncated:
        what = "cut at the token limit: raise max_completion_tokens, or pass allow_truncated=True"
        raise TruncatedReply(
            what, status=200, request_id=reply.request_id, model=reply.model, usage=reply.usage
        )
    if not reply.text.strip() and not reply.tool_calls:
        if refusal:
            what = f"the model declined: {refusal}"
            raise error_from(reply, RefusedReply, what, code="refusal", quoted=(refusal,))
        raise error_from(reply, EmptyReply, f"no text (finish_reason {reply.finish_reason!r})")
    return reply
