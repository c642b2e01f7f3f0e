"""Telemetry: one INTERNAL span for every call, in which the log's events become span events; and the metrics.

Requests and tokens are counted by the names of the GenAI conventions, unless an instrumentation of the openai
SDK is active, which counts them itself. Not here: the metrics (calls.py, requests.py, gauges.py), which
events there are (log/events.py).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from typing import Any

from opentelemetry import metrics, trace
from opentelemetry.metrics import MeterProvider
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, TracerProvider

from safechat.errors import ChatError
from safechat.log.events import UNLOGGED, listen, log_context, log_fields
from safechat.messages import ChatReply, ChatRequest, Handler
from safechat.redact import redact, redacted_name
from safechat.telemetry.calls import CallMetrics
from safechat.telemetry.conventions import (
    ERROR,
    MODEL,
    TOKEN_KINDS,
    Attributes,
    instrumented,
    operation,
    server_attributes,
    span_attributes,
)
from safechat.telemetry.gauges import Gauges
from safechat.telemetry.requests import RequestMetrics, with_answer

_FIRST_CHUNK = "gen_ai.response.time_to_first_chunk"


class Telemetry:
    """The spans and metrics of this process. Without providers, those that the program has set are used."""

    def __init__(self, tracers: TracerProvider | None = None, meters: MeterProvider | None = None) -> None:
        self._tracer = trace.get_tracer("safechat", tracer_provider=tracers)
        meter = metrics.get_meter("safechat", meter_provider=meters)
        self._calls, self._requests, self._gauges = CallMetrics(meter), RequestMetrics(meter), Gauges(meter)
        self._span: ContextVar[Span | None] = ContextVar("safechat_span", default=None)
        self.close: Callable[[], None] = listen(self._on_event)

    def traced(self, next: Handler) -> Handler:
        """The outermost layer: a span, and its ids in each record of the call."""

        async def call(request: ChatRequest) -> ChatReply:
            model = redacted_name(request.model)
            span = self._tracer.start_span(
                f"safechat {model}",
                kind=SpanKind.INTERNAL,
                attributes={
                    **operation(request.endpoint),
                    MODEL: model,
                    "gen_ai.request.stream": request.on_piece is not None,
                },
            )
            ids = span.get_span_context()
            if not ids.is_valid:  # no SDK of OpenTelemetry is set up
                return await next(request)
            with trace.use_span(
                span,
                end_on_exit=True,
                record_exception=False,  # an exception's text and stack are not redacted there
                set_status_on_exception=False,
            ):
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
        server = server_attributes(base_url)

        async def measure(request: ChatRequest) -> ChatReply:
            common: Attributes = {
                **operation(request.endpoint),
                MODEL: redacted_name(request.model),
                **server,
            }
            started = time.perf_counter()

            def begun(_: Mapping[str, str]) -> None:
                seconds = time.perf_counter() - started
                self._requests.began(seconds, common)
                if (span := self._span.get()) is not None:
                    span.set_attribute(_FIRST_CHUNK, seconds)

            usage, answered, failed = None, common, dict[str, str]()
            try:
                reply = await next(request if request.on_piece is None else request.also_on_start(begun))
                usage, answered = reply.usage, with_answer(common, reply.model)
            except ChatError as error:
                failed[ERROR] = error.kind
                if error.usage is not None:
                    usage, answered = error.usage, with_answer(common, error.model)
                raise
            except BaseException as error:
                failed[ERROR] = type(error).__qualname__
                raise
            finally:
                self._requests.ended(time.perf_counter() - started, answered, usage, {**failed})
            return reply

        async def request(request: ChatRequest) -> ChatReply:
            if (span := self._span.get()) is not None:
                span.set_attributes(server)
            own = next if base_url is not None and instrumented() else measure
            reply = await own(request)
            self._gauges.answered(redacted_name(request.model), reply.headers, server)
            return reply

        return request

    def _on_event(self, level: int, name: str, fields: Mapping[str, Any]) -> None:
        """Put an event of the log into the metrics, and into the span of its call."""
        self._calls.count(name, fields)
        self._gauges.note(name, fields)
        span = self._span.get()
        if span is None or not span.is_recording():
            return
        if name == "chat.call":
            _set_outcome(span, fields)
        elif level > UNLOGGED:
            span.add_event(name, span_attributes(fields))


def _set_outcome(span: Span, call: Mapping[str, Any]) -> None:
    """Put the fields of `chat.call` into its span, by the names of the conventions."""
    attributes: dict[str, object] = {
        "safechat.call_id": log_fields().get("call_id"),
        "safechat.request_id": call.get("request_id"),
        "safechat.outcome": call["outcome"],
        "safechat.attempts": call.get("attempts"),
        "safechat.first_piece_ms": call.get("first_piece_ms"),
        "safechat.tokens_per_s": call.get("tokens_per_s"),
        "gen_ai.response.model": call.get("answered_by"),
        "gen_ai.response.id": call.get("completion_id"),
    }
    if (reason := call.get("finish_reason")) is not None:
        attributes["gen_ai.response.finish_reasons"] = [reason]
    if not instrumented():  # else the inner span has them, and a sum would count them twice
        for kind, name in TOKEN_KINDS.items():
            attributes[f"gen_ai.usage.{kind}"] = _all_tokens(call, name)
    if call["outcome"] != "ok":
        attributes[ERROR] = call["outcome"]
        span.set_status(Status(StatusCode.ERROR, redact(str(call.get("error", call["outcome"])))))
    span.set_attributes(span_attributes(attributes))


def _all_tokens(call: Mapping[str, Any], name: str) -> int | None:
    """The call's tokens, with those of the answers that failed; None where nothing was counted."""
    counts = [call[field] for field in (name, f"failed_{name}") if field in call]
    return sum(counts) if counts else None
