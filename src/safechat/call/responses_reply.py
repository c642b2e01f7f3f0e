"""A response in the form of a chat completion, so that one reader reads the answers of both APIs.

Not here: reading it (reply.py), the items of its output (assistant.py), its stream (responses_events.py).

Source: https://developers.openai.com/api/reference/resources/responses, and openai.types.responses
"""

from __future__ import annotations

from collections.abc import Mapping

from safechat.assistant import message_of, reasoning_of
from safechat.call.error_body import error_within, error_without_status
from safechat.call.fields import field, plain, text_of
from safechat.call.reply import content_text, read_usage
from safechat.errors import ChatError
from safechat.messages import ChatRequest

# Why a response is incomplete, in the words of Chat Completions; any other word stays.
_INCOMPLETE = {"max_output_tokens": "length", "content_filter": "content_filter", "": "error"}

_LATER = frozenset({"queued", "in_progress"})  # with background=True


def as_completion(body: object, request: ChatRequest, headers: Mapping[str, str]) -> object:
    """The response in `body` as a chat completion. What is no response stays as it is.

    Raises the error of a response that failed.
    """
    response = body if isinstance(body, Mapping) or field(body, "output") is None else plain(body)
    output = field(response, "output")
    if not isinstance(output, list):
        return body
    if text_of(field(response, "status")) == "failed" or error_within(response) is not None:
        raise failed_response(response, request, headers)
    message = message_of(output)
    if reasoning := reasoning_of(output):
        message["reasoning_content"] = reasoning
    return {
        "id": field(response, "id"),
        "model": field(response, "model"),
        "choices": [{"index": 0, "message": message, "finish_reason": _finish_reason(response, message)}],
        "usage": field(response, "usage"),
        "_request_id": field(body, "_request_id"),
    }


def needs_no_text(body: object) -> bool:
    """Whether the answer in `body` is one without text: what a hosted tool has made, such as an image, a
    question of one, or a response that comes later."""
    output = field(body, "output")
    if not isinstance(output, list):
        return False
    kinds = {text_of(field(item, "type")) for item in output}
    return bool(kinds - {"message", "reasoning"}) or text_of(field(body, "status")) in _LATER


def failed_response(response: object, request: ChatRequest, headers: Mapping[str, str]) -> ChatError:
    """The error of a response that holds one, with what had come before it."""
    model = text_of(field(response, "model")) or request.model
    error = error_without_status(error_within(response) or {}, model, headers)
    output = field(response, "output")
    error.usage = read_usage(field(response, "usage"))
    error.partial_text = content_text(message_of(output)["content"]) if isinstance(output, list) else ""
    return error


def _finish_reason(response: object, message: Mapping[str, object]) -> str:
    match text_of(field(response, "status")):
        case "completed" | None:
            return "tool_calls" if message.get("tool_calls") else "stop"
        case "incomplete":
            reason = text_of(field(field(response, "incomplete_details"), "reason")) or ""
            return _INCOMPLETE.get(reason, reason)
        case "cancelled":
            return "abort"
        case status:
            return status
