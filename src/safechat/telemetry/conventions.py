"""Names and attributes by the GenAI conventions of OpenTelemetry, release 0.1.0, and who else keeps to them.

Source: https://github.com/open-telemetry/semantic-conventions-genai/blob/main/docs/gen-ai/client-inference.md
Not here: the metrics (requests.py).
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from urllib.parse import urlsplit

from safechat.redact import redact, redacted_name

MODEL, ERROR = "gen_ai.request.model", "error.type"
_EMBEDDINGS = "POST /embeddings"

# The kinds of tokens, by the conventions and in our `Usage`.
TOKEN_KINDS = {
    "input_tokens": "prompt_tokens",
    "output_tokens": "completion_tokens",
    "cache_read.input_tokens": "cached_tokens",
    "reasoning.output_tokens": "reasoning_tokens",
}

# The bounds of the buckets that the conventions ask for.
SECONDS = tuple(0.01 * 2**n for n in range(14))
TOKENS = tuple(4.0**n for n in range(14))

Attributes = dict[str, str | int | float | bool | Sequence[str]]

# Packages that emit gen_ai.client.* themselves while their instrumentation is active.
_INSTRUMENTATIONS = (
    "opentelemetry.instrumentation.genai.openai",
    "opentelemetry.instrumentation.openai_v2",
    "opentelemetry.instrumentation.openai",
)

# The values of gen_ai.provider.name, by the end of the host's name. Any other API is OpenAI's to a client.
_PROVIDERS = {
    ".azure.com": "azure.ai.openai",
    ".azure-api.net": "azure.ai.openai",
    ".deepseek.com": "deepseek",
    ".groq.com": "groq",
    ".mistral.ai": "mistral_ai",
    ".moonshot.ai": "moonshot_ai",
    ".moonshot.cn": "moonshot_ai",
    ".perplexity.ai": "perplexity",
    ".x.ai": "x_ai",
    ".anthropic.com": "anthropic",
    "generativelanguage.googleapis.com": "gcp.gemini",
    "aiplatform.googleapis.com": "gcp.vertex_ai",
}


def instrumented() -> bool:
    """Whether an instrumentation of the openai SDK is active."""
    for name in _INSTRUMENTATIONS:
        instrumentor = getattr(sys.modules.get(name), "OpenAIInstrumentor", None)
        active = getattr(instrumentor, "_instance", None)  # a singleton: to call the class resets its options
        if getattr(active, "is_instrumented_by_opentelemetry", False):
            return True
    return False


def operation(endpoint: str) -> Attributes:
    """What a request to this endpoint asks for."""
    return {"gen_ai.operation.name": "embeddings" if endpoint == _EMBEDDINGS else "chat"}


def server_attributes(base_url: str | None) -> Attributes:
    """Those that name the API at this address."""
    parts = urlsplit(base_url or "")
    host = parts.hostname or ""
    provider = next((name for end, name in _PROVIDERS.items() if host.endswith(end)), "openai")
    server: Attributes = {"gen_ai.provider.name": provider}
    if host:
        server["server.address"] = host
        if (port := parts.port or {"https": 443, "http": 80}.get(parts.scheme)) is not None:
            server["server.port"] = port
    return server


def span_attributes(fields: Mapping[str, object]) -> Attributes:
    """`fields` as the attributes of a span, without secrets. None is left out."""
    attributes: Attributes = {}
    for name, value in fields.items():
        if isinstance(value, bool | int | float):
            attributes[redacted_name(name)] = value
        elif isinstance(value, list | tuple):
            attributes[redacted_name(name)] = tuple(redact(str(item)) for item in value)
        elif value is not None:
            attributes[redacted_name(name)] = redact(str(value))
    return attributes
