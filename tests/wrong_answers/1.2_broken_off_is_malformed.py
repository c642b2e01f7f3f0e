#| odev 1.2 call.reply.read_reply
# hint: BadReply fırlat
def read_reply(response: object, request: ChatRequest, headers: Mapping[str, str] | None = None) -> ChatReply:
    """The answer in `response`: bytes or str of JSON, a dict, or an object with the same attributes.

    Raises ContentFiltered, or BadReply and its subclasses.
    """
    headers = headers or {}
    completion = decode(response, request)
    model = text_of(field(completion, "model")) or request.model
    request_id = headers.get("x-request-id") or text_of(field(completion, "_request_id"))
    choice = first_choice(completion, model, request_id)
    message = field(choice, "message")
    reply = ChatReply(
        text=content_text(field(message, "content")),
        model=model,
        finish_reason=known_finish_reason(text_of(field(choice, "finish_reason")), model),
        usage=read_usage(field(completion, "usage")),
        request_id=request_id,
        tool_calls=read_tool_calls(message),
        headers=headers,
    )
    if reply.finish_reason == "content_filter":
        raise error_from(reply, ContentFiltered, "a content filter stopped the answer", code="content_filter")
    if reply.finish_reason in BROKEN_OFF:
        raise error_from(reply, MalformedReply, "the server broke the answer off", code=reply.finish_reason)
    if reply.finish_reason == "length" and not request.allow_truncated:
        what = "cut at the token limit: raise max_completion_tokens, or pass allow_truncated=True"
        raise error_from(reply, TruncatedReply, what, code="length")
    if not reply.text.strip() and not reply.tool_calls:
        if refusal := text_of(field(message, "refusal")):
            what = f"the model declined: {refusal}"
            raise error_from(reply, RefusedReply, what, code="refusal", quoted=(refusal,))
        raise error_from(reply, EmptyReply, f"no text (finish_reason {reply.finish_reason!r})")
    return reply
