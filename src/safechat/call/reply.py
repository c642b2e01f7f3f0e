"""Reads what the API answered: a ChatReply, or the error that says why it is none.

A 200 is not yet an answer. It may be a proxy's page, half a body, an error
object, no choice, no text, a text cut at the limit, a refusal. Takes the body
of the HTTP answer, or the object that a client made of it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress

from safechat.errors import ContentFiltered, EmptyReply, MalformedReply, RefusedReply, TruncatedReply
from safechat.messages import ChatReply, ChatRequest
from safechat.usage import Usage


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
    if not text.strip() and not tool_calls:
        if refusal := text_of(field(message, "refusal")):
            raise RefusedReply(
                f"{model} declined: {refusal}", status=200, code="refusal", request_id=request_id, model=model
            )
        raise EmptyReply(
            f"{model}: an answer without text (finish_reason {finish_reason!r})",
            status=200, request_id=request_id, model=model,
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


def _decoded(response: object, request: ChatRequest) -> object:
    if not isinstance(response, bytes | bytearray | str):
        return response
    # Raised outside an except block: a JSONDecodeError on __context__ would hold the whole body.
    with suppress(ValueError):
        decoded: object = json.loads(response)
        return decoded
    start = response[:80] if isinstance(response, str) else response[:80].decode("utf-8", "replace")
    what = f"starts with {start!r}" if response.strip() else "is empty"
    raise MalformedReply(
        f"{request.model}: the body of the answer is not JSON: it {what}", status=200, model=request.model
    )


def _first_choice(completion: object, model: str, request_id: str | None) -> object:
    """The first choice that has a message; what stands in its place otherwise is told."""
    try:
        choice: object = field(completion, "choices")[0]  # type: ignore[index]
    except (TypeError, LookupError):
        choice = None
    if field(choice, "message") is not None:
        return choice
    error = field(completion, "error")
    if error is not None:
        code, said = text_of(field(error, "code")), text_of(field(error, "message")) or repr(error)
        message = f"{model}: a 200 that holds an error: {said}"
    else:
        code, message = None, f"{model}: a 200 that is no chat completion: {_outline(completion)}"
    raise MalformedReply(message, status=200, code=code, request_id=request_id, model=model)


def _outline(completion: object) -> str:
    if isinstance(completion, Mapping):
        return f"an object with {', '.join(map(str, completion)) or 'nothing in it'}"
    return "null" if completion is None else f"a {type(completion).__name__} in place of an object"


def content_text(content: object) -> str:
    """The text of a message; some servers give it in parts."""
    if isinstance(content, list | tuple):
        return "".join(text_of(field(part, "text")) or "" for part in content)
    return text_of(content) or ""


def _tool_calls(message: object) -> tuple[Mapping[str, object], ...]:
    calls = field(message, "tool_calls")
    if not isinstance(calls, list | tuple):
        return ()
    return tuple(call if isinstance(call, Mapping) else _as_dict(call) for call in calls)


def _as_dict(call: object) -> Mapping[str, object]:
    function = field(call, "function")
    return {
        "id": field(call, "id"),
        "type": field(call, "type"),
        "function": {"name": field(function, "name"), "arguments": field(function, "arguments")},
    }


def _usage(usage: object) -> Usage | None:
    if usage is None:
        return None
    prompt, completion = _count(usage, "prompt_tokens"), _count(usage, "completion_tokens")
    return Usage(
        prompt_tokens=prompt,
        completion_tokens=completion,
        total_tokens=_count(usage, "total_tokens") or prompt + completion,
        cached_tokens=_count(field(usage, "prompt_tokens_details"), "cached_tokens"),
        reasoning_tokens=_count(field(usage, "completion_tokens_details"), "reasoning_tokens"),
    )


def _count(usage: object, name: str) -> int:
    value = field(usage, name)
    return value if isinstance(value, int) and not isinstance(value, bool) else 0


def field(value: object, name: str) -> object:
    """`name` of a dict or of an object; None where there is none."""
    if isinstance(value, Mapping):
        return value.get(name)
    return getattr(value, name, None)


def text_of(value: object) -> str | None:
    """`value` if it is a text or a number."""
    return str(value) if isinstance(value, str | int) and not isinstance(value, bool) else None
