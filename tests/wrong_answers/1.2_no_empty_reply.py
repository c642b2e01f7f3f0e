#| odev 1.2 call.reply.checked_reply
# hint: EmptyReply
def checked_reply(reply: ChatReply, request: ChatRequest, refusal: str | None = None) -> ChatReply:
    """`reply` itself, where it is an answer to the request. `refusal` are the words of a model that declined.

    Raises ContentFiltered, or BadReply and its subclasses.
    """
    if reply.finish_reason == "content_filter":
        raise error_from(reply, ContentFiltered, "a content filter stopped the answer", code="content_filter")
    if reply.finish_reason == "length" and not request.allow_truncated:
        what = "cut at the token limit: raise max_completion_tokens, or pass allow_truncated=True"
        raise error_from(reply, TruncatedReply, what, code="length")
    return reply
