#| odev 1.2 call.reply.read_reply
# hint: Hatanın bir alanı
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
        raise ContentFiltered(
            "a content filter stopped the answer",
            usage=reply.usage,
            partial_text=reply.text,
            request_id=request_id,
        )
    if reply.finish_reason in BROKEN_OFF:
        raise BadReply(
            "the server broke the answer off",
            usage=reply.usage,
            partial_text=reply.text,
            request_id=request_id,
        )
    if reply.finish_reason == "length" and not request.allow_truncated:
        what = "cut at the token limit: raise max_completion_tokens, or pass allow_truncated=True"
        raise TruncatedReply(what, usage=reply.usage, partial_text=reply.text, request_id=request_id)
    if not reply.text.strip() and not reply.tool_calls:
        if refusal := text_of(field(message, "refusal")):
            what = f"the model declined: {refusal}"
            raise RefusedReply(what, usage=reply.usage, partial_text=reply.text, request_id=request_id)
        raise EmptyReply(
            f"no text (finish_reason {reply.finish_reason!r})",
            usage=reply.usage,
            partial_text=reply.text,
            request_id=request_id,
        )
    return reply
