"""The assistant's message: as an answer brings it, and as the next request wants it.

An answer of the Responses API is a list of items; its message has the form of Chat Completions, too. What
that form has no place for (reasoning, hosted tools) goes back in the message's field OUTPUT, which is sent to
the Responses API only. Not here: which answer is one (call/reply.py), the checks of a caller's messages
(checks.py).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping

OUTPUT = "response_output"

# What goes back. The rest of an answer's message (annotations, parsed, fields that are null) is refused by
# strict servers: Mistral, Groq: github.com/diegosouzapw/OmniRoute/pull/4350
_FIELDS = (
    "role",  # the first ones: platform.openai.com/docs/api-reference/chat/create
    "content",
    "name",
    "refusal",
    "audio",
    "tool_calls",
    "function_call",
    "reasoning_content",  # DeepSeek: api-docs.deepseek.com/guides/thinking_mode; Kimi, too
    "reasoning",  # vLLM, OpenRouter
    "reasoning_details",  # OpenRouter: openrouter.ai/docs/use-cases/reasoning-tokens
    "extra_content",  # Gemini's thought signatures: github.com/open-webui/computer/issues/224
    "thinking_blocks",  # LiteLLM: docs.litellm.ai/docs/reasoning_content
)
_NOT_SENT = ("index", "parsed_arguments")  # of a tool call: a stream's, and the SDK's own
_ANSWERS_WITHOUT_TEXT = ("tool_calls", "function_call", "audio", "refusal")


def message_in(body: Mapping[str, object]) -> dict[str, object] | None:
    """The message of an answer, in the form of a request: that of a completion's first choice, or that of a
    response's items. None where there is none."""
    choices = body.get("choices")
    if not isinstance(choices, list | tuple):
        output = body.get("output")
        return _with_output(output) if isinstance(output, list) else None
    messages = [
        (choice.get("index") or 0, choice["message"])
        for choice in choices
        if isinstance(choice, Mapping) and isinstance(choice.get("message"), Mapping)
    ]
    return request_form(min(messages, key=lambda pair: pair[0])[1]) if messages else None


def _with_output(output: list[object]) -> dict[str, object]:
    form = request_form(message_of(output))
    return form if all(map(_is_plain, output)) else {**form, OUTPUT: output}


# The items of a response that a message of Chat Completions can say, and the fields that it needs of them.
_PLAIN = frozenset({"message", "function_call", "custom_tool_call"})
_PLAIN_FIELDS = frozenset(
    {"type", "id", "status", "role", "content", "call_id", "name", "arguments", "input"}
)


def _is_plain(item: object) -> bool:
    """Whether nothing is lost when the message says it; `phase` is for example."""
    if not isinstance(item, Mapping) or item.get("type") not in _PLAIN:
        return False
    return all(name in _PLAIN_FIELDS for name, value in item.items() if value is not None)


def message_of(output: Iterable[object]) -> dict[str, object]:
    """The items of a response as the message of a chat completion.

    Source: https://developers.openai.com/api/docs/guides/migrate-to-responses
    """
    texts: list[str] = []
    refusals: list[str] = []
    calls: list[dict[str, object]] = []
    for item in output:
        if not isinstance(item, Mapping):
            continue
        match item.get("type"):
            case "message":
                texts += _texts(item.get("content"), "text")
                refusals += _texts(item.get("content"), "refusal")
            case "function_call":
                said = {"name": item.get("name"), "arguments": json_text(item.get("arguments"))}
                calls.append({"id": item.get("call_id"), "type": "function", "function": said})
            case "custom_tool_call":
                said = {"name": item.get("name"), "input": item.get("input")}
                calls.append({"id": item.get("call_id"), "type": "custom", "custom": said})
    message: dict[str, object] = {"role": "assistant", "content": "".join(texts) or None}
    if refusals:
        message["refusal"] = "".join(refusals)
    if calls:
        message["tool_calls"] = calls
    return message


def reasoning_of(output: Iterable[object]) -> str:
    """What the model thought, or the summary of it, where the response shows it."""
    parts: list[str] = []
    for item in output:
        if isinstance(item, Mapping) and item.get("type") == "reasoning":
            parts += list(_texts(item.get("content"), "text")) or _texts(item.get("summary"), "text")
    return "\n\n".join(parts)


def _texts(parts: object, name: str) -> Iterator[str]:
    for part in parts if isinstance(parts, list) else ():
        if isinstance(part, Mapping) and isinstance(text := part.get(name), str):
            yield text


def request_form(message: Mapping[str, object]) -> dict[str, object]:
    """An answer's message as the next request to the same server wants it."""
    form: dict[str, object] = {"role": "assistant"}
    form |= {name: message[name] for name in _FIELDS if message.get(name)}
    calls, audio = form.get("tool_calls"), form.get("audio")
    if isinstance(calls, list | tuple):
        form["tool_calls"] = [sendable_call(call) if isinstance(call, Mapping) else call for call in calls]
    if isinstance(audio, Mapping):  # the API keeps the sound, and is given its id
        if audio.get("id"):
            form["audio"] = {"id": audio["id"]}
        else:
            del form["audio"]
            form.setdefault("content", audio.get("transcript"))
    if "content" not in form and "audio" not in form:
        form["content"] = None if answers_without_text(form) else ""
    return form


def answers_without_text(message: Mapping[str, object]) -> bool:
    """Whether an assistant's message needs no content, for what it holds besides."""
    return any(message.get(name) for name in _ANSWERS_WITHOUT_TEXT)


def sendable_call(call: Mapping[str, object]) -> dict[str, object]:
    """A tool call with its arguments as JSON text, and with all that it has besides (thought signatures)."""
    form: dict[str, object] = {
        name: value for name, value in call.items() if value is not None and name not in _NOT_SENT
    }
    function = call.get("function")
    if isinstance(function, Mapping):
        kept = {name: value for name, value in function.items() if name not in _NOT_SENT}
        form["function"] = {**kept, "arguments": json_text(function.get("arguments"))}
    return form


def json_text(value: object) -> str:
    """Arguments as JSON text: some servers give an object in its place."""
    if isinstance(value, str):
        return value
    return "" if value is None else json.dumps(value, ensure_ascii=False)
