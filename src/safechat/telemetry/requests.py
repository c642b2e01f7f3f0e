"""Each request to the API, measured by the names of the GenAI conventions.

    gen_ai.client.inference.duration                      seconds
    gen_ai.client.inference.time_to_first_chunk           seconds, of streams
    gen_ai.client.inference.operation.input_tokens        tokens of a request; and output_tokens
    gen_ai.client.inference.usage.input_tokens            tokens in all; and output_tokens,
                                                          cache_read.input_tokens, reasoning.output_tokens

By the names of before release 0.1.0 of the conventions, as long as dashboards ask for them:

    gen_ai.client.operation.duration, gen_ai.client.operation.time_to_first_chunk
    gen_ai.client.token.usage                             by gen_ai.token.type

Source: https://github.com/open-telemetry/semantic-conventions-genai/blob/main/docs/gen-ai/client-inference.md
and gen-ai-token-metrics.md beside it. Not here: whole calls (calls.py).
"""

from __future__ import annotations

from opentelemetry.metrics import Histogram, Meter

from safechat.redact import redacted_name
from safechat.telemetry.conventions import SECONDS, TOKEN_KINDS, TOKENS, Attributes
from safechat.usage import Usage

_INFERENCE, _BEFORE = "gen_ai.client.inference", "gen_ai.client.operation"
# The SDK's answers do not say which tokens are text.
_MODALITY = {"gen_ai.token.modality": "unknown"}


class RequestMetrics:
    """The counters and histograms named above."""

    def __init__(self, meter: Meter) -> None:
        def seconds(name: str, description: str) -> Histogram:
            return meter.create_histogram(name, "s", description, explicit_bucket_boundaries_advisory=SECONDS)

        def tokens(name: str, description: str) -> Histogram:
            return meter.create_histogram(
                name, "{token}", description, explicit_bucket_boundaries_advisory=TOKENS
            )

        self._durations = (
            seconds(f"{_INFERENCE}.duration", "GenAI client inference operation duration."),
            seconds(f"{_BEFORE}.duration", "GenAI operation duration."),
        )
        self._first_chunks = tuple(
            seconds(f"{name}.time_to_first_chunk", "Time to receive the first chunk.")
            for name in (_INFERENCE, _BEFORE)
        )
        self._used = {
            field: meter.create_counter(f"{_INFERENCE}.usage.{name}", "{token}", f"The {name} used.")
            for name, field in TOKEN_KINDS.items()
        }
        self._per_request = {
            TOKEN_KINDS[name]: tokens(f"{_INFERENCE}.operation.{name}", f"The {name} of one request.")
            for name in ("input_tokens", "output_tokens")
        }
        self._token_usage = tokens("gen_ai.client.token.usage", "Number of input and output tokens used.")

    def began(self, seconds: float, request: Attributes) -> None:
        """The first chunk of a stream has come, so many seconds after its request."""
        for histogram in self._first_chunks:
            histogram.record(seconds, request)

    def ended(self, seconds: float, request: Attributes, usage: Usage | None, error: Attributes) -> None:
        """A request is over; `error` is empty where its answer is good. A bad answer is billed as well.

        A request whose tokens nobody counted is one of 0 tokens, as the conventions want it.
        """
        attributes = {**request, **error}
        for histogram in self._durations:
            histogram.record(seconds, attributes)
        counted = usage or Usage()
        for field, counter in self._used.items():
            counter.add(getattr(counted, field), {**request, **_MODALITY})
        for field, histogram in self._per_request.items():
            histogram.record(getattr(counted, field), attributes)
        if usage is not None:
            for kind, count in (("input", usage.prompt_tokens), ("output", usage.completion_tokens)):
                self._token_usage.record(count, {**request, "gen_ai.token.type": kind})


def with_answer(request: Attributes, model: str | None) -> Attributes:
    """The attributes of a request that `model` answered."""
    return request if model is None else {**request, "gen_ai.response.model": redacted_name(model)}
