"""Why an answer ended: the words of all servers, put into those of OpenAI.

Not here: what follows from it (reply.py).
"""

from __future__ import annotations

import logging

from safechat.log.events import event

# In lower case. OpenAI's own: https://platform.openai.com/docs/api-reference/chat/object
_FINISH_REASONS: dict[str, str] = {
    "stop": "stop",
    "length": "length",
    "tool_calls": "tool_calls",
    "function_call": "function_call",
    "content_filter": "content_filter",
    "eos": "stop",  # Together: docs.together.ai/reference/chat-completions
    "eos_token": "stop",  # Text Generation Inference: huggingface.github.io/text-generation-inference
    "stop_sequence": "stop",
    "end_turn": "stop",  # xAI; this one and Z.ai's: github.com/genkit-ai/genkit/pull/6259
    "max_tokens": "length",  # Gemini: ai.google.dev/api/generate-content#FinishReason
    "safety": "content_filter",
    "recitation": "content_filter",
    "blocklist": "content_filter",
    "prohibited_content": "content_filter",
    "spii": "content_filter",
    "malformed_function_call": "error",
    "model_length": "length",  # Mistral: docs.mistral.ai/api
    "model_context_window_exceeded": "length",  # Z.ai
    "sensitive": "content_filter",
    "network_error": "network_error",
    "error": "error",  # OpenRouter: openrouter.ai/docs/api/reference/streaming; Mistral
    "abort": "abort",  # vLLM and SGLang, for a request that the server gave up
    "insufficient_system_resource": "insufficient_system_resource",  # DeepSeek: api-docs.deepseek.com
}

BROKEN_OFF = frozenset({"error", "abort", "network_error", "insufficient_system_resource"})

_MOST_UNKNOWN = 100
_unknown: set[str] = set()


def known_finish_reason(word: str | None, model: str) -> str | None:
    """OpenAI's word for the reason, or one of BROKEN_OFF. An unknown word stays, and is logged once."""
    if not word:
        return None
    known = _FINISH_REASONS.get(word.lower())
    if known is None and word not in _unknown and len(_unknown) < _MOST_UNKNOWN:
        _unknown.add(word)
        event(logging.WARNING, "chat.unknown_finish_reason", model=model, finish_reason=word)
    return known or word
