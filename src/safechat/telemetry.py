"""OpenTelemetry: a span for every call, and metrics. The only file that uses it; needs `[otel]`.

Only the API package is used, so nothing is sent unless the program sets up an
SDK. The layer `Telemetry.traced` opens one INTERNAL span per call, and the events of
the log become span events in it. The layer `Telemetry.measured` counts requests and
tokens by the names of the GenAI conventions, unless an instrumentation of the openai
SDK is active, which counts them itself.
Source: https://opentelemetry.io/docs/specs/semconv/gen-ai/gen-ai-metrics/

    safechat.call.duration            seconds, by model and error.type
    safechat.call.attempts            requests per call, by model
    safechat.attempt.failures         by model and error.type
    safechat.fallbacks                by model and error.type
    safechat.limiter.wait             seconds, by model
    safechat.breaker.transitions      by model and state
    safechat.key.failures             failed reads of a key, by source, path and error.type
    safechat.key.age                  seconds since the key was read, by source and path
    gen_ai.client.operation.duration  seconds, per request to the API
    gen_ai.client.token.usage         tokens, per request to the API, by gen_ai.token.type

Not here: which events there are (log/events.py).
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Mapping
from contextvars import ContextVar
from typing import Any
from urllib.parse import urlsplit

from opentelemetry import metrics, trace
from opentelemetry.metrics import CallbackOptions, MeterProvider, Observation
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, TracerProvider

from safechat.errors import ChatError
from safechat.log.events import UNLOGGED, listen, log_context, log_fields
from safechat.messages import ChatReply, ChatRequest, Handler
from safechat.redact import redact, redacted_name
from safechat.usage import Usage

MODEL, ERROR = "gen_ai.request.model", "error.type"

# Packages that emit gen_ai.client.* themselves while their instrumentation is active.
_INSTRUMENTATIONS = (
    "opentelemetry.instrumentation.genai.openai",
    "opentelemetry.instrumentation.openai_v2",
    "opentelemetry.instrumentation.openai",
)
_SECONDS = tuple(0.01 * 2**n for n in range(14))
_TOKENS = tuple(4.0**n for n in range(14))

Attributes = dict[str, str | int | float | bool]


class Telemetry:
    """The spans and metrics of this process. Without providers, those that the program has set are used."""

    def __init__(self, tracers: TracerProvider | None = None, meters: MeterProvider | None = None) -> None:
        self._tracer = trace.get_tracer("safechat", tracer_provider=tracers)
        meter = metrics.get_meter("safechat", meter_provider=meters)

        def seconds(name: str, description: str) -> metrics.Histogram:
            return meter.create_histogram(
                name, "s", description, explicit_bucket_boundaries_advisory=_SECONDS
            )

        self._calls = seconds("safechat.call.duration", "A whole call: waiting, retries and fallbacks.")
        self._attempts = meter.create_histogram(
            "safechat.call.attempts",
            "{request}",
            "Requests per call.",
            explicit_bucket_boundaries_advisory=(1, 2, 3, 4, 6, 8, 12),
        )
        self._failures = meter.create_counter("safechat.attempt.failures", "{request}", "Failed requests.")
        self._fallbacks = meter.create_counter("safechat.fallbacks", "{fallback}", "Moves to another model.")
        self._waits = seconds("safechat.limiter.wait", "The wait for room under the limits, per request.")
        self._breaks = meter.create_counter(
            "safechat.breaker.transitions", "{transition}", "Circuits that opened or closed."
        )
        self._key_failures = meter.create_counter(
            "safechat.key.failures", "{read}", "Reads of a key that failed."
        )
        meter.create_observable_gauge(
            "safechat.key.age", [self._key_ages], "s", "Since the key was read from its source."
        )
        self._durations = seconds("gen_ai.client.operation.duration", "GenAI operation duration.")
        self._tokens = meter.create_histogram(
            "gen_ai.client.token.usage",
            "{token}",
            "Number of input and output tokens used.",
            explicit_bucket_boundaries_advisory=_TOKENS,
        )
        self._keys_read: dict[tuple[str, str], float] = {}
        self._span: ContextVar[Span | None] = ContextVar("safechat_span", default=None)
        self.close: Callable[[], None] = listen(self._on_event)

    def traced(self, next: Handler) -> Handler:
        """The outermost layer: a span, and its ids in each record of the call."""

        async def call(request: ChatRequest) -> ChatReply:
            model = redacted_name(request.model)
            with self._tracer.start_as_current_span(
                f"safechat {model}",
                kind=SpanKind.INTERNAL,
                attributes={"gen_ai.operation.name": "chat", MODEL: model},
                record_exception=False,  # an exception's text and stack are not redacted there
                set_status_on_exception=False,
            ) as span:
                ids = span.get_span_context()
                if not ids.is_valid:
                    return await next(request)
                token = self._span.set(span)
                trace_id, span_id = trace.format_trace_id(ids.trace_id), trace.format_span_id(ids.span_id)
                try:
                    with log_context(trace_id=trace_id, span_id=span_id):
                        return await next(request)
                finally:
                    self._span.reset(token)

        return call

    def measured(self, next: Handler, base_url: str | None) -> Handler:
        """The innermost layer: gen_ai.client.* for each request. `base_url` is an SDK client's."""
        server = _server(base_url)

        async def request(request: ChatRequest) -> ChatReply:
            if base_url is not None and instrumented():
                return await next(request)
            common: Attributes = {
                "gen_ai.operation.name": "chat",
                MODEL: redacted_name(request.model),
                **server,
            }
            started = time.perf_counter()
            try:
                reply = await next(request)
            except BaseException as error:
                kind = error.kind if isinstance(error, ChatError) else type(error).__qualname__
                self._durations.record(time.perf_counter() - started, {**common, ERROR: kind})
                if isinstance(error, ChatError):
                    self._record_tokens(error.usage, error.model, common)
                raise
            common["gen_ai.response.model"] = redacted_name(reply.model)
            self._durations.record(time.perf_counter() - started, common)
            self._record_tokens(reply.usage, reply.model, common)
            return reply

        return request

    def _record_tokens(self, usage: Usage | None, model: str | None, common: Attributes) -> None:
        """Those of one request. An answer that is of no use is billed as well."""
        if usage is None:
            return
        attributes = {**common, "gen_ai.response.model": redacted_name(str(model))}
        for kind, count in (("input", usage.prompt_tokens), ("output", usage.completion_tokens)):
            self._tokens.record(count, {**attributes, "gen_ai.token.type": kind})

    def _on_event(self, level: int, name: str, fields: Mapping[str, Any]) -> None:
        """Put an event of the log into the metrics, and into the span of its call."""
        self._count(name, fields)
        span = self._span.get()
        if span is None or not span.is_recording():
            return
        if name == "chat.call":
            _set_outcome(span, fields)
        elif level > UNLOGGED:
            span.add_event(name, _attributes(fields))

    def _count(self, name: str, fields: Mapping[str, Any]) -> None:
        model = {MODEL: redacted_name(str(fields.get("model")))}
        match name:
            case "chat.call":
                failed = {} if fields["outcome"] == "ok" else {ERROR: fields["outcome"]}
                self._calls.record(fields["latency_ms"] / 1000, {**model, **failed})
                if "attempts" in fields:
                    self._attempts.record(fields["attempts"], model)
            case "chat.attempt_failed":
                self._failures.add(1, {**model, ERROR: fields["kind"]})
            case "chat.fallback":
                self._fallbacks.add(1, {**model, ERROR: fields["kind"]})
            case "chat.limited":
                self._waits.record(fields["wait_ms"] / 1000, model)
            case "chat.breaker":
                self._breaks.add(1, {**model, "state": fields["state"]})
            case "keys.read":
                self._keys_read[_place(fields)] = time.monotonic()
            case "keys.stale" | "keys.failed":
                source, path = _place(fields)
                self._key_failures.add(1, {"source": source, "path": path, ERROR: fields["kind"]})
            case "keys.closed":
                self._keys_read.pop(_place(fields), None)

    def _key_ages(self, _: CallbackOptions) -> Iterable[Observation]:
        now = time.monotonic()
        return [
            Observation(now - read, {"source": source, "path": path})
            for (source, path), read in list(self._keys_read.items())
        ]


def _place(fields: Mapping[str, Any]) -> tuple[str, str]:
    """The source and the path of a key that was read."""
    return redacted_name(str(fields.get("source"))), redacted_name(str(fields.get("path", "")))


def instrumented() -> bool:
    """Whether an instrumentation of the openai SDK is active."""
    for name in _INSTRUMENTATIONS:
        instrumentor = getattr(sys.modules.get(name), "OpenAIInstrumentor", None)
        active = getattr(instrumentor, "_instance", None)  # a singleton: to call the class resets its options
        if getattr(active, "is_instrumented_by_opentelemetry", False):
            return True
    return False


def _set_outcome(span: Span, call: Mapping[str, Any]) -> None:
    """Put the fields of `chat.call` into its span, by the names of the conventions."""
    attributes: dict[str, object] = {
        "safechat.call_id": log_fields().get("call_id"),
        "safechat.outcome": call["outcome"],
        "safechat.attempts": call.get("attempts"),
        "gen_ai.response.model": call.get("answered_by"),
        "gen_ai.response.id": call.get("request_id"),
        "server.address": call.get("host"),
    }
    if not instrumented():  # else the inner span has them, and a sum would count them twice
        attributes["gen_ai.usage.input_tokens"] = _all_tokens(call, "prompt_tokens")
        attributes["gen_ai.usage.output_tokens"] = _all_tokens(call, "completion_tokens")
    if call["outcome"] != "ok":
        attributes[ERROR] = call["outcome"]
        span.set_status(Status(StatusCode.ERROR, redact(str(call.get("error", call["outcome"])))))
    span.set_attributes(_attributes(attributes))


def _all_tokens(call: Mapping[str, Any], name: str) -> int | None:
    """The call's tokens, with those of the answers that failed; None where nothing was counted."""
    counts = [call[field] for field in (name, f"failed_{name}") if field in call]
    return sum(counts) if counts else None


def _attributes(fields: Mapping[str, object]) -> Attributes:
    """`fields` as span attributes, without secrets. None is left out."""
    attributes: Attributes = {}
    for name, value in fields.items():
        if isinstance(value, bool | int | float):
            attributes[redacted_name(name)] = value
        elif value is not None:
            attributes[redacted_name(name)] = redact(str(value))
    return attributes


def _server(base_url: str | None) -> Attributes:
    """The attributes that name the API at this address."""
    parts = urlsplit(base_url or "")
    host = parts.hostname or ""
    azure = host.endswith((".azure.com", ".azure-api.net"))
    server: Attributes = {"gen_ai.provider.name": "azure.ai.openai" if azure else "openai"}
    if host:
        server["server.address"] = host
        if (port := parts.port or {"https": 443, "http": 80}.get(parts.scheme)) is not None:
            server["server.port"] = port
    return server
