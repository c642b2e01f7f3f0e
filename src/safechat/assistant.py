"""The assistant's message: as an answer brings it, and as the next request wants it.

Not here: which answer is one (call/reply.py), the checks of a caller's messages (checks.py).
"""

from __future__ import annotations

import json
from collections.abc import Mapping

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


def message_in(completion: Mapping[str, object]) -> dict[str, object] | None:
    """The message of a completion's first choice, in the form of a request; None where there is none."""
    choices = completion.get("choices")
    if not isinstance(choices, list | tuple):
        return None
    messages = [
        (choice.get("index") or 0, choice["message"])
        for choice in choices
        if isinstance(choice, Mapping) and isinstance(choice.get("message"), Mapping)
    ]
    return request_form(min(messages, key=lambda pair: pair[0])[1]) if messages else None


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
