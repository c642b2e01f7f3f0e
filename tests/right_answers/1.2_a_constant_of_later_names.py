#| odev 1.2 call.reply.read_reply
OKUYUCULAR = {"text": content_text, "usage": read_usage}


def _parse(response, request, headers):
    completion = decode(response, request)
    model = text_of(field(completion, "model")) or request.model
    choice = first_choice(completion, model, headers.get("x-request-id"))
    message = field(choice, "message")
    return message, ChatReply(
        text=OKUYUCULAR["text"](field(message, "content")),
        model=model,
        finish_reason=known_finish_reason(text_of(field(choice, "finish_reason")), model),
        usage=OKUYUCULAR["usage"](field(completion, "usage")),
        request_id=headers.get("x-request-id"),
        tool_calls=read_tool_calls(message),
        headers=headers,
    )


def _problem(reply, message, request):
    if reply.finish_reason == "content_filter":
        return ContentFiltered, "filtre"
    if reply.finish_reason in BROKEN_OFF:
        return BadReply, "yarıda"
    if reply.finish_reason == "length" and not request.allow_truncated:
        return TruncatedReply, "kesik"
    if reply.text.strip() or reply.tool_calls:
        return None
    refusal = text_of(field(message, "refusal"))
    return (RefusedReply, refusal) if refusal else (EmptyReply, "metin yok")


def read_reply(response: object, request: ChatRequest, headers: Mapping[str, str] | None = None) -> ChatReply:
    message, reply = _parse(response, request, headers if headers is not None else {})
    problem = _problem(reply, message, request)
    if problem is not None:
        raise error_from(reply, *problem)
    return reply
