#| odev 1.2 call.reply.read_reply
# hint: EmptyReply
def read_reply(response: object, request: ChatRequest, headers: Mapping[str, str] | None = None) -> ChatReply:
    """The answer in `response`: bytes or str of JSON, a dict, or an object with the same attributes.

    Raises MalformedReply, EmptyReply, TruncatedReply, RefusedReply or ContentFiltered.
    """
    headers = headers or {}
    completion = _decoded(response, request)
    model = text_of(field(completion, "model")) or request.model
    request_id = headers.get("x-request-id") or text_of(field(completion, "_request_id"))
    choice = _first_choice(completion, model, request_id)
    message = field(choice, "message")
    text = content_text(field(message, "content"))
    finish_reason = text_of(field(choice, "finish_reason"))
    tool_calls = _tool_calls(message)

    if finish_reason == "content_filter":
        raise ContentFiltered(
            f"{model}: a content filter stopped the answer after {len(text)} characters",
            status=200, code="content_filter", request_id=request_id, model=model,
        )  # fmt: skip
    if finish_reason == "length" and not request.allow_truncated:
        raise TruncatedReply(
            f"{model}: the answer was cut at the token limit after {len(text)} characters; "
            "raise max_completion_tokens, or pass allow_truncated=True to take what there is",
            partial_text=text, code="length", request_id=request_id, model=model,
        )  # fmt: skip
    return ChatReply(
        text=text,
        model=model,
        finish_reason=finish_reason,
        usage=_usage(field(completion, "usage")),
        request_id=request_id,
        tool_calls=tool_calls,
        headers=headers,
    )
