"""Spans and metrics, as the OpenTelemetry SDK and a Prometheus server see them."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from clients import KEY
from fakes import AsyncFake, eventually
from generated import around, fewer, forget_keys, literal, shaped
from safechat import (
    BreakerPolicy,
    ChatClientWrapper,
    ChatQueue,
    ChatReply,
    ChatRequest,
    RateLimits,
    RetryPolicy,
    ServerError,
    Usage,
)
from safechat.errors import ChatError, EmptyReply
from safechat.fallback import Fallback, Target
from safechat.guard import Guarded
from safechat.headers import RateLimit
from safechat.limits.layer import Limited
from safechat.limits.quota import Quotas
from safechat.log.call_record import call_record
from safechat.log.events import UNLOGGED, event
from safechat.log.layer import Logged
from safechat.messages import Handler
from safechat.redact import remember
from safechat.retry import Retried
from safechat.telemetry import Telemetry
from safechat.telemetry.gauges import remaining_after
from safechat.testing import Outcome, ScriptedHandler, no_waiting

REQUEST = ChatRequest(({"role": "user", "content": "Merhaba"},), "a")
REPLY = ChatReply(
    "ok", "a-2026", finish_reason="stop", usage=Usage(9, 4, 13, 2, 3), request_id="req_1", id="chatcmpl-1"
)


@dataclass
class Seen:
    telemetry: Telemetry
    tracers: TracerProvider
    spans: InMemorySpanExporter
    reader: InMemoryMetricReader

    def layers(self, *outcomes: Outcome, fallback: Outcome | None = None) -> Handler:
        """The layers as layers.py nests them, in front of a script."""

        def reached(handler: Handler) -> Handler:
            measured = self.telemetry.measured(handler, None)
            return Retried(Limited(measured, Quotas(RateLimits(concurrency=1))), RetryPolicy(attempts=2))

        first = reached(ScriptedHandler(*outcomes))
        others = [Target(reached(ScriptedHandler(fallback)), "b")] if fallback is not None else []
        return self.telemetry.traced(Logged(Fallback(first, others, BreakerPolicy(failures=1))))

    def points(self, name: str = "") -> list[tuple[dict[str, Any], Any]]:
        """The data points of one metric, or of all: attributes, and the count of a histogram or the value
        of another."""
        data = self.reader.get_metrics_data()
        return [
            (dict(point.attributes or {}), getattr(point, "count", None) or getattr(point, "value", None))
            for resource in (data.resource_metrics if data else ())
            for scope in resource.scope_metrics
            for metric in scope.metrics
            if not name or metric.name == name
            for point in metric.data.data_points
        ]

    def everything(self) -> str:
        """All text in spans and metrics."""
        texts: list[object] = [attributes for attributes, _ in self.points()]
        for span in self.spans.get_finished_spans():
            texts += [span.name, span.status.description, dict(span.attributes or {})]
            texts += [(event.name, dict(event.attributes or {})) for event in span.events]
        return json.dumps(texts, ensure_ascii=False)


@contextmanager
def watched() -> Iterator[Seen]:
    spans, reader = InMemorySpanExporter(), InMemoryMetricReader()
    resource = Resource.get_empty()
    tracers = TracerProvider(resource=resource, shutdown_on_exit=False)
    meters = MeterProvider([reader], resource=resource, shutdown_on_exit=False)
    tracers.add_span_processor(SimpleSpanProcessor(spans))
    telemetry = Telemetry(tracers, meters)
    try:
        with no_waiting():
            yield Seen(telemetry, tracers, spans, reader)
    finally:
        telemetry.close()
        meters.shutdown()


@pytest.fixture
def seen() -> Iterator[Seen]:
    with watched() as seen:
        yield seen


def error(text: str = "503 upstream", model: str = "a") -> ChatError:
    return ServerError(text, status=503, model=model)


async def test_a_call_is_one_internal_span(seen: Seen) -> None:
    await seen.layers(REPLY)(REQUEST)
    (span,) = seen.spans.get_finished_spans()
    assert (span.name, span.kind, span.status.status_code) == (
        "safechat a",
        SpanKind.INTERNAL,
        StatusCode.UNSET,
    )
    attributes = dict(span.attributes or {})
    assert len(str(attributes.pop("safechat.call_id"))) == 16
    assert float(str(attributes.pop("safechat.tokens_per_s"))) > 0
    assert attributes == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "a",
        "gen_ai.request.stream": False,
        "gen_ai.response.model": "a-2026",
        "gen_ai.response.id": "chatcmpl-1",
        "gen_ai.response.finish_reasons": ("stop",),
        "gen_ai.usage.input_tokens": 9,
        "gen_ai.usage.output_tokens": 4,
        "gen_ai.usage.cache_read.input_tokens": 2,
        "gen_ai.usage.reasoning.output_tokens": 3,
        "safechat.attempts": 1,
        "safechat.outcome": "ok",
        "safechat.request_id": "req_1",
    }
    assert [event.name for event in span.events if event.name != "chat.limited"] == []


async def test_a_call_that_failed_over_has_its_events_in_its_span(seen: Seen) -> None:
    await seen.layers(error(), fallback="ok")(REQUEST)
    (span,) = seen.spans.get_finished_spans()
    assert [event.name for event in span.events if event.name != "chat.limited"] == [
        "chat.attempt_failed",
        "chat.retry",
        "chat.attempt_failed",
        "chat.breaker",
        "chat.fallback",
    ]
    assert dict(span.events[-1].attributes or {})["next_model"] == "b"
    assert dict(span.attributes or {})["safechat.attempts"] == 3


async def test_a_failed_call_is_a_span_with_an_error(seen: Seen) -> None:
    with pytest.raises(ServerError):
        await seen.layers(error())(REQUEST)
    (span,) = seen.spans.get_finished_spans()
    assert span.status.status_code is StatusCode.ERROR
    assert "503 upstream" in str(span.status.description)
    assert dict(span.attributes or {})["error.type"] == "server_error"


async def test_the_span_hangs_under_the_callers_own_and_its_ids_are_in_the_log(
    seen: Seen, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "safechat")
    with seen.tracers.get_tracer("app").start_as_current_span("request") as own:
        await seen.layers(REPLY)(REQUEST)
    call, _ = seen.spans.get_finished_spans()
    assert call.parent == own.get_span_context()
    (record,) = caplog.records
    assert call.context is not None
    assert record.__dict__["trace_id"] == f"{call.context.trace_id:032x}"
    assert record.__dict__["span_id"] == f"{call.context.span_id:016x}"


async def test_the_metrics_count_what_happened(seen: Seen) -> None:
    layers = seen.layers(error(), fallback=REPLY)
    await layers(REQUEST)
    event(20, "keys.read", source="vault", path="secret/a")
    model, sick = {"gen_ai.request.model": "a"}, {"error.type": "server_error"}
    assert seen.points("safechat.call.duration") == [(model, 1)]
    assert seen.points("safechat.call.attempts") == [(model, 1)]
    assert seen.points("safechat.attempt.failures") == [({**model, **sick}, 2)]
    assert seen.points("safechat.fallbacks") == [({**model, **sick}, 1)]
    assert seen.points("safechat.breaker.transitions") == [({**model, "state": "open"}, 1)]
    assert {point[0]["gen_ai.request.model"]: point[1] for point in seen.points("safechat.limiter.wait")} == {
        "a": 2,
        "b": 1,
    }
    event(20, "keys.read", source="vault", path="secret/b")
    ages = seen.points("safechat.key.age")
    assert [where["path"] for where, _ in ages] == ["secret/a", "secret/b"]
    assert all(0 < age < 60 for _, age in ages)
    event(30, "keys.stale", source="vault", path="secret/a", kind="vault_sealed")
    event(40, "keys.failed", source="vault", path="secret/b", kind="vault_auth_failed")
    assert [point[0]["error.type"] for point in seen.points("safechat.key.failures")] == [
        "vault_sealed",
        "vault_auth_failed",
    ]
    event(UNLOGGED, "keys.closed", source="vault", path="secret/a")
    assert [where["path"] for where, _ in seen.points("safechat.key.age")] == ["secret/b"]


async def test_each_request_is_measured_by_the_conventions_names(seen: Seen) -> None:
    await seen.layers(error(), REPLY)(REQUEST)
    common = {"gen_ai.operation.name": "chat", "gen_ai.provider.name": "openai", "gen_ai.request.model": "a"}
    answered = {**common, "gen_ai.response.model": "a-2026"}
    sick = {**common, "error.type": "server_error"}
    for name in ("inference.duration", "inference.operation.output_tokens"):
        assert seen.points(f"gen_ai.client.{name}") == [(sick, 1), (answered, 1)], name
    modality = {"gen_ai.token.modality": "unknown"}
    for name, count in (
        ("input_tokens", 9),
        ("output_tokens", 4),
        ("cache_read.input_tokens", 2),
        ("reasoning.output_tokens", 3),
    ):
        points = seen.points(f"gen_ai.client.inference.usage.{name}")
        assert points == [({**common, **modality}, 0), ({**answered, **modality}, count)]


async def test_a_request_for_embeddings_is_named_so_in_the_span_and_the_metrics(seen: Seen) -> None:
    await seen.layers(REPLY)(replace(REQUEST, endpoint="POST /embeddings"))
    (span,) = seen.spans.get_finished_spans()
    ((measured, _),) = seen.points("gen_ai.client.inference.duration")
    assert (span.attributes or {})["gen_ai.operation.name"] == "embeddings"
    assert measured["gen_ai.operation.name"] == "embeddings"


async def test_each_request_is_measured_by_the_names_of_before_too(seen: Seen) -> None:
    await seen.layers(error(), REPLY)(REQUEST)
    common = {"gen_ai.operation.name": "chat", "gen_ai.provider.name": "openai", "gen_ai.request.model": "a"}
    answered = {**common, "gen_ai.response.model": "a-2026"}
    durations = seen.points("gen_ai.client.operation.duration")
    assert durations == [({**common, "error.type": "server_error"}, 1), (answered, 1)]
    assert seen.points("gen_ai.client.token.usage") == [
        ({**answered, "gen_ai.token.type": "input"}, 1),
        ({**answered, "gen_ai.token.type": "output"}, 1),
    ]


@pytest.mark.parametrize(
    ("base_url", "provider", "server"),
    [
        ("https://api.openai.com/v1", "openai", ("api.openai.com", 443)),
        ("https://kedi.openai.azure.com/", "azure.ai.openai", ("kedi.openai.azure.com", 443)),
        ("https://api.deepseek.com", "deepseek", ("api.deepseek.com", 443)),
        ("http://localhost:8000/v1", "openai", ("localhost", 8000)),
    ],
)
async def test_spans_and_metrics_name_the_server(
    base_url: str, provider: str, server: tuple[str, int], seen: Seen
) -> None:
    layers = seen.telemetry.traced(seen.telemetry.measured(ScriptedHandler(REPLY), base_url))
    await layers(REQUEST)
    (span,) = seen.spans.get_finished_spans()
    ((measured, _),) = seen.points("gen_ai.client.inference.duration")
    for attributes in (dict(span.attributes or {}), measured):
        assert attributes["gen_ai.provider.name"] == provider
        assert (attributes["server.address"], attributes["server.port"]) == server


async def test_the_first_chunk_of_a_stream_is_measured(seen: Seen) -> None:
    async def handler(request: ChatRequest) -> ChatReply:
        assert request.on_start is not None
        request.on_start({})
        return REPLY

    async def on_piece(_: str) -> None: ...

    layers = seen.telemetry.traced(seen.telemetry.measured(handler, None))
    await layers(replace(REQUEST, on_piece=on_piece))
    for name in ("inference", "operation"):
        ((_, count),) = seen.points(f"gen_ai.client.{name}.time_to_first_chunk")
        assert count == 1
    (span,) = seen.spans.get_finished_spans()
    attributes = dict(span.attributes or {})
    assert attributes["gen_ai.request.stream"] is True
    assert 0 < float(str(attributes["gen_ai.response.time_to_first_chunk"])) < 60


async def test_the_first_piece_of_a_stream_is_in_the_span_and_the_metrics(seen: Seen) -> None:
    async def handler(_: ChatRequest) -> ChatReply:
        with call_record() as record:
            record.piece_came()
        return REPLY

    await seen.telemetry.traced(Logged(handler))(REQUEST)
    (span,) = seen.spans.get_finished_spans()
    assert float(str((span.attributes or {})["safechat.first_piece_ms"])) >= 0
    assert seen.points("safechat.call.first_piece") == [({"gen_ai.request.model": "a"}, 1)]


async def test_the_state_of_a_circuit_is_a_gauge(seen: Seen) -> None:
    def state() -> float:
        (value,) = [
            value
            for attributes, value in seen.points("safechat.breaker.state")
            if attributes == {"gen_ai.request.model": "of-a-gauge"}
        ]
        return float(value)

    states: list[float] = []

    async def handler(_: ChatRequest) -> ChatReply:
        states.append(state())
        if len(states) == 1:
            raise error()
        return REPLY

    guarded = Guarded(handler, "of-a-gauge", BreakerPolicy(failures=1, cooldown=1e-9))
    with pytest.raises(ServerError):
        await guarded(REQUEST)
    states.append(state())
    await guarded(REQUEST)
    states.append(state())
    assert states == [0, 2, 1, 0]  # closed, open, half-open while a call tries it, closed


async def test_calls_that_wait_in_a_queue_are_a_gauge(seen: Seen) -> None:
    client = AsyncFake()
    client.gate = threading.Event()
    with ChatClientWrapper(client) as chat:
        async with ChatQueue(chat, workers=1) as queue:
            futures = [await queue.submit(f"Merhaba {number}") for number in range(3)]
            await eventually(lambda: client.under_way == 1)
            assert seen.points("safechat.queue.waiting") == [({}, 2)]
            client.gate.set()
            await asyncio.gather(*futures)
        assert seen.points("safechat.queue.waiting") == []


async def test_what_is_left_of_the_limits_is_a_gauge(seen: Seen) -> None:
    headers = {
        "x-ratelimit-limit-requests": "500", "x-ratelimit-remaining-requests": "499",
        "x-ratelimit-limit-tokens": "30000", "x-ratelimit-remaining-tokens": "29000",
    }  # fmt: skip
    await seen.telemetry.measured(ScriptedHandler(replace(REPLY, headers=headers)), None)(REQUEST)
    common = {"gen_ai.provider.name": "openai", "gen_ai.request.model": "a"}
    assert seen.points("safechat.limit.remaining") == [
        ({**common, "kind": "requests"}, 499),
        ({**common, "kind": "tokens"}, 29000),
    ]


@pytest.mark.parametrize(("reset", "seconds", "left"), [(6, 5, 1), (6, 6, 500), (None, 1000, 1)])
def test_after_its_reset_a_limit_is_whole(reset: float | None, seconds: float, left: float) -> None:
    assert remaining_after(RateLimit(500, 1, reset), seconds) == left


async def test_the_tokens_of_an_answer_that_failed_are_counted(seen: Seen) -> None:
    failure = EmptyReply("no text", model="a-2026", usage=Usage(7, 2, 9))
    await seen.layers(failure, REPLY)(REQUEST)
    answered = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "a",
        "gen_ai.response.model": "a-2026",
    }
    assert seen.points("gen_ai.client.token.usage") == [
        ({**answered, "gen_ai.token.type": "input"}, 2),
        ({**answered, "gen_ai.token.type": "output"}, 2),
    ]
    (span,) = seen.spans.get_finished_spans()
    attributes = span.attributes or {}
    assert (attributes["gen_ai.usage.input_tokens"], attributes["gen_ai.usage.output_tokens"]) == (16, 6)


PLACES = ("error", "status", "model", "answered_by", "request_id", "event", "field")


def everything_about(text: str, place: str) -> str:
    """All spans and metrics of a call in which `text` stands in some place."""
    request = replace(REQUEST, model=text) if place == "model" else REQUEST
    failure = error(text if place == "error" else "503")
    if place == "status":
        failure.code = failure.request_id = text
    reply = replace(
        REPLY,
        model=text if place == "answered_by" else "a",
        request_id=text if place == "request_id" else None,
    )
    fields: dict[str, object] = {text: 1} if place == "field" else {"model": text, "said": [text]}

    async def calls(seen: Seen) -> None:
        layers = seen.layers(failure, reply, failure)

        async def layers_and_an_event(request: ChatRequest) -> ChatReply:
            if place in ("event", "field"):
                event(30, "chat.parameter_dropped", **fields)
            return await layers(request)

        await seen.telemetry.traced(layers_and_an_event)(request)
        with suppress(ChatError):
            await layers(request)

    with watched() as seen:
        asyncio.run(calls(seen))
        everything = seen.everything()
        assert everything.count("safechat a" if place != "model" else "safechat ") >= 2
        return everything


@cache
def ordinary(place: str) -> str:
    return everything_about("", place)


@fewer
@given(key=shaped, before=around, after=around, place=st.sampled_from(PLACES))
def test_nothing_shaped_like_a_key_gets_into_spans_or_metrics(
    key: str, before: str, after: str, place: str
) -> None:
    assert key.removeprefix("Bearer ") not in everything_about(before + key + after, place)


@fewer
@given(key=literal, before=around, after=around, place=st.sampled_from(PLACES))
def test_no_literal_key_in_use_gets_into_spans_or_metrics(
    key: str, before: str, after: str, place: str
) -> None:
    assume(key not in ordinary(place))
    forget_keys()
    remember(key)
    everything = everything_about(before + key + after, place)
    assert json.dumps(key)[1:-1] not in everything
    assert key not in everything


def run(script: str) -> Any:
    """The last line that a program of its own prints, as JSON."""
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)],
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


# A program as people write it: global providers, a Prometheus exporter, an SDK client on a mocked wire.
PROGRAM = """
    import json, sys, urllib.request
    import httpx2, openai
    from opentelemetry import metrics, trace
    from opentelemetry.exporter.prometheus import PrometheusMetricReader
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
    from prometheus_client import start_http_server

    spans = InMemorySpanExporter()
    tracers = TracerProvider()
    tracers.add_span_processor(SimpleSpanProcessor(spans))
    trace.set_tracer_provider(tracers)
    metrics.set_meter_provider(MeterProvider([PrometheusMetricReader()]))
    server, _ = start_http_server(0, addr="127.0.0.1")

    if %(instrumented)r:
        from opentelemetry.instrumentation.genai.openai import OpenAIInstrumentor
        OpenAIInstrumentor().instrument()

    from safechat import ChatClientWrapper

    body = {"id": "1", "object": "chat.completion", "created": 1, "model": "gpt-5-mini-2025-08-07",
            "choices": [{"index": 0, "finish_reason": "stop",
                         "message": {"role": "assistant", "content": "ok"}}],
            "usage": {"prompt_tokens": 9, "completion_tokens": 4, "total_tokens": 13}}
    answers = iter([httpx2.Response(503, json={}), httpx2.Response(200, json=body)])
    wire = httpx2.MockTransport(lambda request: next(answers))
    client = %(client)s(api_key=%(key)r, http_client=httpx2.%(http)s(transport=wire))
    with ChatClientWrapper(client) as chat:
        assert chat.generate("Merhaba").attempts == 2

    page = urllib.request.urlopen(f"http://127.0.0.1:{server.server_port}/metrics").read().decode()
    names = [{"name": span.name, "kind": span.kind.name, "id": span.context.span_id,
             "parent": span.parent and span.parent.span_id, "attributes": dict(span.attributes)}
            for span in spans.get_finished_spans()]
    print(json.dumps({"page": page, "spans": names}))
"""


@pytest.mark.parametrize("client", ["OpenAI", "AsyncOpenAI"])
@pytest.mark.parametrize("instrumented", [False, True])
def test_prometheus_scrapes_each_request_and_token_once(instrumented: bool, client: str) -> None:
    http = "Client" if client == "OpenAI" else "AsyncClient"
    result = run(
        PROGRAM % {"instrumented": instrumented, "client": f"openai.{client}", "key": KEY, "http": http}
    )
    page = [line for line in result["page"].splitlines() if not line.startswith("#")]

    def total(name: str, *labels: str) -> float:
        chosen = [line for line in page if line.startswith(name) and all(label in line for label in labels)]
        return sum(float(line.rsplit(" ", 1)[1]) for line in chosen)

    assert total("gen_ai_client_operation_duration_seconds_count") == 2
    assert total("gen_ai_client_token_usage_sum", 'gen_ai_token_type="input"') == 9
    assert total("gen_ai_client_token_usage_sum", 'gen_ai_token_type="output"') == 4
    assert total("safechat_call_duration_seconds_count") == 1
    assert total("safechat_attempt_failures", "_total{") == 1
    assert total("safechat_limiter_wait_seconds_count") == 2

    spans = result["spans"]
    assert sum(span["attributes"].get("gen_ai.usage.input_tokens", 0) for span in spans) == 9
    (own,) = [span for span in spans if span["name"].startswith("safechat")]
    assert {span["parent"] for span in spans if span is not own} == ({own["id"]} if instrumented else set())
    assert len(spans) == (3 if instrumented else 1)
    assert KEY not in json.dumps(result)


@pytest.mark.parametrize("installed", ["None", "types.ModuleType('opentelemetry')", "old"])
def test_without_opentelemetry_or_with_another_version_a_call_works(installed: str) -> None:
    broken = "import opentelemetry.metrics as m; m.get_meter = lambda *a, **k: object()"
    change = broken if installed == "old" else f"sys.modules['opentelemetry'] = {installed}"
    answer = run(f"""
        import json, sys, types
        {change}
        from safechat import ChatClientWrapper
        from safechat.testing import ScriptedClient
        with ChatClientWrapper(ScriptedClient("ok")) as chat:
            print(json.dumps(chat.generate("Merhaba").text))
    """)
    assert answer == "ok"
